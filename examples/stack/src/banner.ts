import { resolve } from 'node:path';
import type { RunningStack } from './stack.ts';

/** An order for people to try: the same that the README shows. */
const order = {
  merchantId: 'merchant-1',
  customer: { customerId: 'c-1', name: 'Ada Example', email: 'ada@example.org' },
  paymentMethod: { reference: 'pm_card_visa' },
  items: [{ productId: 'coffee-1kg', quantity: 2 }],
};

/** What `npm start` prints once the stack is ready. */
export function banner({ engine, server }: RunningStack, startedInMs: number): string {
  const { config, path } = engine;
  const folder = (name: string): string => resolve(path(name));
  const email = config.PAYSTREAM_SMTP_URL === undefined ? folder('notifications') : 'by SMTP';
  const key = config.PAYSTREAM_API_KEYS === undefined ? '' : " -H 'authorization: Bearer YOUR_KEY'";
  return `Paystream is ready, ${Math.round(startedInMs)} ms after its start.

  gRPC           ${server.grpcAddress}   (health and reflection included)
  HTTP           ${server.httpAddress}   (Connect, gRPC-Web, JSON; /healthz /readyz /metrics)
  data           ${resolve(config.PAYSTREAM_DATA_DIR)}
  log files      ${config.PAYSTREAM_LOG_DIR === undefined ? folder('logs') : resolve(config.PAYSTREAM_LOG_DIR)}
  notifications  ${email}

Place an order:

  curl -s ${server.httpAddress}/api/v1/checkout${key} -H 'content-type: application/json' -d '${JSON.stringify({ requestId: 'my-first-order', ...order })}'

  grpcurl -plaintext${key} -d '${JSON.stringify({ requestId: 'my-second-order', ...order, wait: '30s' })}' ${server.grpcAddress} paystream.order.v1.OrderService/CreateOrder

Place a thousand, and check the books:   npm run orders -- --count 1000 --concurrency 64
Stop:                                    Ctrl+C
`;
}
