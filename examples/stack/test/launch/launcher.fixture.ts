// A launcher of one service, the gateway, which needs no server. Prints the process id of the service once it is ready.
import { systemClock } from '@paystream/core';
import { startProcess } from '../../src/launch/processes.ts';

const [grpcPort = 0, httpPort = 0] = process.argv.slice(2).map(Number);
const [grpc, http] = [`127.0.0.1:${grpcPort}`, `http://127.0.0.1:${httpPort}`];
const { pid } = await startProcess({
  plan: { name: 'gateway', service: 'gateway', grpcPort, httpPort, grpc, http, settings: {} },
  environment: process.env,
  shutdownTimeoutMs: 5_000,
  clock: systemClock,
  onLine: () => undefined,
});
process.stdout.write(`${pid}\n`);
