import { createIdGenerator, PaystreamError, systemClock, systemRandom } from '@paystream/core';
import { OrderState } from '@paystream/core/contracts';
import { createOrderClient } from '@paystream/order/client';
import { createDurations, type Durations } from './histogram.ts';
import type { LoadOptions } from './options.ts';

/** What became of the orders of one run. */
export interface Placed {
  readonly accepted: number;
  readonly refused: number;
  /** Orders by the state that they ended in: `PAID`, `DECLINED`, … */
  readonly states: Readonly<Record<string, number>>;
  /** Why orders were refused, and how many of each. */
  readonly errors: Readonly<Record<string, number>>;
  /** From request to reply of `CreateOrder`. */
  readonly toAccept: Durations;
  /** From request to the order's final state. */
  readonly toSettle: Durations;
  readonly elapsedMs: number;
}

const stateNames: ReadonlyMap<number, string> = new Map(Object.entries(OrderState).map(([name, value]) => [value as number, name]));

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** What the seeded merchants sell: `catalog.ts` has the prices. */
const products: Readonly<Record<string, readonly string[]>> = {
  'merchant-1': ['coffee-1kg', 'filter-papers', 'grinder'],
  'merchant-2': ['paperback', 'atlas'],
  'merchant-3': ['sencha-100g', 'teapot'],
};

/** Places orders with the gRPC client, so many at once, each waited for until it is final. */
export async function placeOrders(options: LoadOptions, progress: (done: number) => void): Promise<Placed> {
  const clock = systemClock;
  const nextId = createIdGenerator(clock, systemRandom);
  const client = createOrderClient({ baseUrl: `http://${options.target}`, protocol: 'grpc', apiKey: options['api-key'] });
  const [toAccept, toSettle] = [createDurations(), createDurations()];
  const states: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const offered = products[options.merchant] ?? [];
  const tally = { accepted: 0, refused: 0, started: 0, done: 0 };

  const placeOne = async (number: number): Promise<void> => {
    const start = clock.monotonic();
    try {
      const order = await client.createOrder({
        requestId: nextId(),
        merchantId: options.merchant,
        customer: { customerId: `customer-${number % 1_000}`, name: 'Ada Example', email: 'ada@example.org', phone: '+4930123456' },
        paymentMethod: { reference: options.payment },
        items: [{ productId: offered[number % offered.length] ?? 'coffee-1kg', quantity: 1 + (number % 3) }],
      });
      toAccept.add(clock.monotonic() - start);
      tally.accepted += 1;
      const final = await client.waitOrder({
        orderId: order.orderId,
        merchantId: options.merchant,
        timeout: { seconds: BigInt(Math.min(120, options.timeout)) },
      });
      toSettle.add(clock.monotonic() - start);
      count(states, (stateNames.get(final.order?.state ?? 0) ?? 'ORDER_STATE_UNSPECIFIED').replace('ORDER_STATE_', ''));
    } catch (cause) {
      const error = PaystreamError.from(cause);
      tally.refused += 1;
      count(errors, `${error.code} ${error.reason}: ${error.message}`);
    }
    tally.done += 1;
    progress(tally.done);
  };

  const worker = async (): Promise<void> => {
    while (tally.started < options.count) await placeOne(tally.started++);
  };
  const start = clock.monotonic();
  try {
    await Promise.all(Array.from({ length: Math.min(options.concurrency, options.count) }, worker));
  } finally {
    await client.close();
  }
  return { accepted: tally.accepted, refused: tally.refused, states, errors, toAccept, toSettle, elapsedMs: clock.monotonic() - start };
}
