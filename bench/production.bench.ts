import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@paystream/core';
import { readConfig } from '../examples/stack/src/config/config.ts';
import { launchServices } from '../examples/stack/src/launch/launcher.ts';
import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, type Contestant, type Finding, findingOf, perSecond, takeTurns } from './compare.ts';
import { startChild } from './support/child.ts';
import { createLoadClient } from './support/load.ts';
import { encodedRequests } from './support/orders.ts';
import { type MeasuredStack, measureStack, startMeasuredStack } from './support/settled.ts';
import { sqlOption, startSqlServer } from './support/sql-server.ts';

const orders = 3_000;
const inFlight = 256;
const rounds = 5;
/** The broker compiles itself meanwhile, which it has done in service. */
const warmup = 3;
const firstPort = 23_000;

function settling(stack: MeasuredStack): Contestant {
  return { name: 'settled', round: async () => orders / ((await stack.settle(orders, inFlight)) / 1_000) };
}

/** Every service in a process of its own. */
async function startProcesses(settings: Readonly<Record<string, string>>): Promise<MeasuredStack> {
  const directory = await mkdtemp(join(tmpdir(), 'paystream-bench-'));
  const environment = {
    ...process.env,
    ...settings,
    PAYSTREAM_DATA_DIR: directory,
    PAYSTREAM_GRPC_PORT: `${firstPort}`,
    PAYSTREAM_HTTP_PORT: `${firstPort + 20}`,
    PAYSTREAM_TABLE_PREFIX: 'processes_',
  };
  const printed: string[] = [];
  const services = await launchServices({
    config: readConfig(environment),
    environment,
    replicas: {},
    gateway: true,
    clock: systemClock,
    onLine: (name, line) => printed.push(`${name}: ${line}`),
  });
  const at = Object.fromEntries(services.processes.map(({ plan }) => [plan.service, plan.grpc]));
  return measureStack({
    target: `127.0.0.1:${firstPort}`,
    at,
    output: () => printed.slice(-50).join('\n'),
    stop: () => services.stop(),
    [Symbol.asyncDispose]: async () => {
      await services.stop();
      await rm(directory, { recursive: true, force: true });
    },
  });
}

export const benchmark: Benchmark = {
  name: 'production',
  question: 'How many orders a second are settled on a real Pulsar and database that share the machine with them?',
  options: sqlOption,
  run: async (options) => {
    await using running = new AsyncDisposableStack();
    const broker = await startPulsar();
    running.defer(() => broker.stop());
    const database = running.use(await startSqlServer(options));
    const settings = {
      PAYSTREAM_PROFILE: 'production',
      PAYSTREAM_PULSAR_URL: broker.serviceUrl,
      PAYSTREAM_MYSQL_URL: database.url,
      PAYSTREAM_GATEWAY_LATENCY_MS: '0',
    };
    const unit = 'settled orders/s';
    await using echo = await startChild<string>(join(import.meta.dirname, 'support', 'echo-server.ts'), ['']);
    using echoing = createLoadClient(echo.said);
    const echoed: Contestant = {
      name: 'bare grpc-js echo of the requests',
      round: () => perSecond(orders, () => echoing.place(encodedRequests(orders), inFlight)),
    };
    const measure = async (name: string, stack: MeasuredStack): Promise<readonly Finding[]> => {
      const [measured, reference] = await takeTurns([settling(stack), echoed], rounds, warmup);
      await stack.verify();
      if (measured === undefined || reference === undefined) throw new Error('nothing was measured');
      const on = `${database.title}, ${name}`;
      return [
        findingOf({ case: on, unit, measured, goal: 1_000 }),
        findingOf({ case: 'the same beside an echo', unit, measured, reference }),
      ];
    };
    // One after the other: together they would share two cores, and the topics.
    const findings: Finding[] = [];
    {
      await using one = await startMeasuredStack(settings);
      findings.push(...(await measure('all services in one process', one)));
    }
    {
      await using apart = await startProcesses(settings);
      findings.push(...(await measure('each service its own process', apart)));
    }
    return findings;
  },
};
