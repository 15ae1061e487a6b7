import { resolve } from 'node:path';
import type { RunningStack } from './stack.ts';
import { tryItLines } from './try-it.ts';

/** What `npm start` prints once the stack is ready. */
export function banner({ engine, server }: RunningStack, startedInMs: number): string {
  const { config, path } = engine;
  const folder = (name: string): string => resolve(path(name));
  const { grpcAddress: grpc, httpAddress: http } = server;
  const lines = tryItLines({ grpc, http, keys: config.PAYSTREAM_API_KEYS !== undefined });
  return `Paystream is ready, ${Math.round(startedInMs)} ms after its start.

  gRPC           ${grpc}   (health and reflection included)
  HTTP           ${http}   (Connect, gRPC-Web, JSON; /healthz /readyz /metrics)
  data           ${resolve(config.PAYSTREAM_DATA_DIR)}
  log files      ${config.PAYSTREAM_LOG_DIR === undefined ? folder('logs') : resolve(config.PAYSTREAM_LOG_DIR)}
  notifications  ${folder('notifications')}${config.PAYSTREAM_SMTP_URL === undefined ? '' : ' (phone messages; emails go out by SMTP)'}

Place an order:

  ${lines.curl}

  ${lines.grpcurl}

Place a thousand and check the books:

  ${lines.orders}

Stop with Ctrl+C: what was accepted goes on with the next start.
`;
}
