import { resolve } from 'node:path';
import { withoutPassword } from './config/without-password.ts';
import { wholeStack } from './service-names.ts';
import type { RunningStack } from './stack.ts';
import { tryItLines } from './try-it.ts';

/** Where everything is: one line each. */
function places({ engine: { config, path }, services, server }: RunningStack): string {
  const lines: [name: string, place: string][] = [
    ['gRPC', `${server.grpcAddress}   (health and reflection included)`],
    ['HTTP', `${server.httpAddress}   (Connect, gRPC-Web, JSON; /healthz /readyz /metrics)`],
  ];
  if (config.PAYSTREAM_BROKER === 'pulsar') lines.push(['topics', `${config.PAYSTREAM_PULSAR_URL}, ${config.PAYSTREAM_PULSAR_NAMESPACE}`]);
  if (config.PAYSTREAM_DATABASE === 'mysql') lines.push(['tables', withoutPassword(config.PAYSTREAM_MYSQL_URL ?? '')]);
  lines.push(['data', resolve(path(''))]);
  if (services.includes('logger')) lines.push(['log files', resolve(config.PAYSTREAM_LOG_DIR ?? path('logs'))]);
  if (services.includes('notify')) {
    const emails = config.PAYSTREAM_SMTP_URL === undefined ? '' : ' (phone messages; emails go out by SMTP)';
    lines.push(['notifications', `${resolve(path('notifications'))}${emails}`]);
  }
  return lines.map(([name, place]) => `  ${name.padEnd(15)}${place}\n`).join('');
}

/** How to try a stack that takes orders. */
function tryIt({ engine: { config }, services, server: { grpcAddress: grpc, httpAddress: http } }: RunningStack): string {
  if (!services.includes('order')) return '';
  const lines = tryItLines({ grpc, http, keys: config.PAYSTREAM_API_KEYS !== undefined });
  const whole = wholeStack.every((name) => services.includes(name));
  return `
Place an order:

  ${lines.curl}

  ${lines.grpcurl}
${whole ? `\nPlace a thousand and check the books:\n\n  ${lines.orders}\n` : ''}`;
}

/** What `npm start` prints once what it starts is ready. */
export function banner(stack: RunningStack, startedInMs: number): string {
  const whole = wholeStack.every((name) => stack.services.includes(name));
  const what = whole ? '' : ` (${stack.services.join(', ')})`;
  return `Paystream is ready${what}, ${Math.round(startedInMs)} ms after its start.

${places(stack)}${tryIt(stack)}
Stop with Ctrl+C: what was accepted goes on with the next start.
`;
}
