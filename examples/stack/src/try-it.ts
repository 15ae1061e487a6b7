import { defaultTarget, type Places } from './load/options.ts';

/** An order for people to try. */
const order = {
  merchantId: 'merchant-1',
  customer: { customerId: 'c-1', name: 'Ada Example', email: 'ada@example.org' },
  paymentMethod: { reference: 'pm_card_visa' },
  items: [{ productId: 'coffee-1kg', quantity: 2 }],
};

/** Where a stack listens, and whether it asks for a key. */
export interface Endpoints {
  /** `127.0.0.1:50051`. */
  readonly grpc: string | undefined;
  /** `http://127.0.0.1:3000`. */
  readonly http: string | undefined;
  readonly keys: boolean;
  /** Where services listen for gRPC that run in processes of their own. Default: at `grpc`. */
  readonly at?: Places;
}

/** Command lines that place orders when pasted: the same in the banner and in the README. */
export interface TryItLines {
  readonly curl: string;
  readonly grpcurl: string;
  /** A thousand of them. */
  readonly orders: string;
}

/** The lines for a stack that listens there. */
export function tryItLines({ grpc, http, keys, at = {} }: Endpoints): TryItLines {
  const key = keys ? " -H 'authorization: Bearer YOUR_KEY'" : '';
  const target = grpc === defaultTarget ? '' : ` --target ${grpc}`;
  const places = Object.entries(at).map(([service, place]) => `${service}=${place}`);
  const elsewhere = places.length === 0 ? '' : ` --at ${places.join(',')}`;
  const rest = JSON.stringify({ requestId: 'my-first-order', ...order });
  const rpc = JSON.stringify({ requestId: 'my-second-order', ...order, wait: '30s' });
  return {
    curl: `curl -s ${http}/api/v1/checkout${key} -H 'content-type: application/json' -d '${rest}'`,
    grpcurl: `grpcurl -plaintext${key} -d '${rpc}' ${grpc} paystream.order.v1.OrderService/CreateOrder`,
    orders: `npm run orders -- --count 1000 --concurrency 64${target}${elsewhere}${keys ? ' --api-key YOUR_KEY' : ''}`,
  };
}
