import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { createIdGenerator, PaystreamError, systemClock, systemRandom } from '@paystream/core';
import { type Order, OrderState } from '@paystream/core/contracts';
import { createOrderClient } from '@paystream/order/client';
import { createDurations, type Durations } from './histogram.ts';
import type { LoadOptions } from './options.ts';
import { createPatience } from './patience.ts';

/** What became of the orders of one run. */
export interface Placed {
  readonly accepted: number;
  readonly refused: number;
  /** Accepted, but the end was not seen. */
  readonly unfinished: number;
  /** Not tried any more, because nothing answered for too long. */
  readonly notTried: number;
  /** Orders by the state that they ended in: `PAID`, `DECLINED`, … */
  readonly states: Readonly<Record<string, number>>;
  /** Why orders were refused, or their ends not seen, and how many of each. */
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

/** How a run goes on. */
export interface Progress {
  readonly done: number;
  /** Why nothing is done just now: what the stack, or the way to it, says. */
  readonly away: string | undefined;
}

/** Places orders with the gRPC client, so many at once, each waited for until it is final. */
export async function placeOrders(options: LoadOptions, progress: (progress: Progress) => void): Promise<Placed> {
  const clock = systemClock;
  const nextId = createIdGenerator(clock, systemRandom);
  const client = createOrderClient({ baseUrl: `http://${options.target}`, apiKey: options['api-key'], attempts: 1 });
  const [toAccept, toSettle] = [createDurations(), createDurations()];
  const states: Record<string, number> = {};
  const errors: Record<string, number> = {};
  const offered = products[options.merchant] ?? [];
  const tally = { accepted: 0, refused: 0, unfinished: 0, started: 0, done: 0 };
  const patience = createPatience(clock, options.timeout * 1_000, (away) => progress({ done: tally.done, away }));
  const timeout = durationFromMs(Math.min(120, options.timeout) * 1_000);

  const fail = (kind: 'refused' | 'unfinished', cause: unknown): void => {
    const error = PaystreamError.from(cause);
    tally[kind] += 1;
    count(errors, `${error.code} ${error.reason}: ${error.message}`);
  };
  const place = (number: number) => {
    const request = {
      requestId: nextId(),
      merchantId: options.merchant,
      customer: { customerId: `customer-${number % 1_000}`, name: 'Ada Example', email: 'ada@example.org', phone: '+4930123456' },
      paymentMethod: { reference: options.payment },
      items: [{ productId: offered[number % offered.length] ?? 'coffee-1kg', quantity: 1 + (number % 3) }],
    };
    return patience.call(() => client.createOrder(request));
  };
  const follow = async ({ orderId, merchantId }: Order, startMs: number): Promise<void> => {
    const wait = () => patience.call(() => client.waitOrder({ orderId, merchantId, timeout }));
    let { order, final } = await wait();
    // A stack that stops answers with the order as it stands.
    for (; !final && clock.monotonic() - startMs < options.timeout * 1_000; { order, final } = await wait()) await clock.sleep(100);
    toSettle.add(clock.monotonic() - startMs);
    count(states, (stateNames.get(order?.state ?? 0) ?? 'ORDER_STATE_UNSPECIFIED').replace('ORDER_STATE_', ''));
  };
  const placeOne = async (number: number): Promise<void> => {
    const startMs = clock.monotonic();
    let order: Order;
    try {
      order = await place(number);
    } catch (cause) {
      return fail('refused', cause);
    }
    toAccept.add(clock.monotonic() - startMs);
    tally.accepted += 1;
    await follow(order, startMs).catch((cause: unknown) => fail('unfinished', cause));
  };

  const worker = async (): Promise<void> => {
    while (tally.started < options.count && !patience.over) {
      await placeOne(tally.started++);
      tally.done += 1;
      progress({ done: tally.done, away: undefined });
    }
  };
  const startMs = clock.monotonic();
  try {
    await Promise.all(Array.from({ length: Math.min(options.concurrency, options.count) }, worker));
  } finally {
    await client.close();
  }
  const { accepted, refused, unfinished, started } = tally;
  const elapsedMs = clock.monotonic() - startMs;
  return { accepted, refused, unfinished, notTried: options.count - started, states, errors, toAccept, toSettle, elapsedMs };
}
