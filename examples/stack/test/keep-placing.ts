import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { createIdGenerator, PaystreamError, systemClock, systemRandom } from '@paystream/core';
import { OrderState } from '@paystream/core/contracts';
import { createOrderClient, type OrderClient } from '@paystream/order/client';

/** A product of a merchant. */
export interface Goods {
  readonly merchantId: string;
  readonly productId: string;
}

const coffee: Goods = { merchantId: 'merchant-1', productId: 'coffee-1kg' };

/** Options of {@link keepPlacing}. */
export interface PlacingOptions {
  /** `127.0.0.1:50051`; of several, each client takes turns, and goes on with the next when one fails. */
  readonly targets: readonly string[];
  /** How many clients place orders at once. */
  readonly clients: number;
  readonly random: { next(): number };
  /** What is bought, one piece an order, in turns. Default: coffee of the first seeded merchant. */
  readonly goods?: readonly Goods[];
  /** A client waits up to so many milliseconds after each order. Default: 0. */
  readonly pauseMs?: number;
  /** Each client asks for its order until it is final, for so long at a time, before it places the next. Default: not at all. */
  readonly waitMs?: number;
  /** Told of each order that its client has waited for: when it first asked, and when it knew the end, on the monotonic clock. */
  readonly onFinal?: (order: { readonly startedMs: number; readonly endedMs: number }) => void;
}

/** States that no order leaves by itself. */
export const finalStates: ReadonlySet<OrderState | undefined> = new Set([OrderState.PAID, OrderState.DECLINED, OrderState.EXPIRED]);

/** Clients that place orders, one after the other each, until they are told to stop. */
export interface Placing {
  /** The id of each acknowledged order, by its request id. */
  readonly acknowledged: ReadonlyMap<string, string>;
  /** Resolves when so many more orders are acknowledged. Rejects if a client failed as it may not. */
  more(count: number): Promise<void>;
  /** Rejects when a client failed as it may not. Never resolves. */
  readonly failed: Promise<never>;
  /** When the oldest order that a client waits for was first asked for, on the monotonic clock; infinite if there is none. */
  readonly oldestMs: number;
  /** Lets each client finish its order: where they wait for its end they do so for two minutes more. */
  stop(): Promise<void>;
}

const lastWaitMs = 120_000;

const passing: ReadonlySet<string> = new Set(['UNAVAILABLE', 'CANCELED', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED']);

/** Begins to place orders that the gateway answers as its settings say. */
export function keepPlacing(options: PlacingOptions): Placing {
  const { targets, clients, random, goods = [coffee], pauseMs = 0, waitMs = 0, onFinal } = options;
  const nextId = createIdGenerator(systemClock, systemRandom);
  const acknowledged = new Map<string, string>();
  // One try a call: the loop below tries again itself, and at once.
  const connections = targets.map((target) => createOrderClient({ baseUrl: `http://${target}`, protocol: 'grpc', attempts: 1 }));
  /** For each client since when it waits for its order. */
  const since = new Array<number>(clients).fill(Number.POSITIVE_INFINITY);
  let untilMs = Number.POSITIVE_INFINITY;
  let on = true;

  const place = async (client: OrderClient, requestId: string, { merchantId, productId }: Goods): Promise<OrderState> => {
    const order = await client.createOrder({
      requestId,
      merchantId,
      customer: { customerId: 'c1', name: 'Ada Example', email: 'ada@example.org', phone: '+4930123456' },
      paymentMethod: { reference: 'pm_mixed' },
      items: [{ productId, quantity: 1 }],
      ...(waitMs > 0 ? { wait: durationFromMs(waitMs) } : {}),
    });
    const before = acknowledged.get(requestId);
    // The same request must always name the same order, also where the first reply was lost to a kill.
    if (before !== undefined && before !== order.orderId) throw new Error(`request ${requestId} made ${before} and ${order.orderId}`);
    acknowledged.set(requestId, order.orderId);
    return order.state;
  };

  const run = async (index: number): Promise<void> => {
    let requestId = nextId();
    let bought = index;
    let again = false;
    for (let turn = index; on || (since[index] !== Number.POSITIVE_INFINITY && systemClock.monotonic() < untilMs); ) {
      const client = connections[turn % connections.length];
      if (client === undefined) throw new Error('no target to place orders at');
      try {
        // One that is placed again has its end already.
        if (waitMs > 0 && !again) since[index] = Math.min(since[index] ?? 0, systemClock.monotonic());
        const state = await place(client, requestId, goods[bought % goods.length] ?? coffee);
        if (waitMs > 0 && !finalStates.has(state)) continue;
        const startedMs = since[index] ?? 0;
        since[index] = Number.POSITIVE_INFINITY;
        if (startedMs !== Number.POSITIVE_INFINITY) onFinal?.({ startedMs, endedMs: systemClock.monotonic() });
        turn += 1;
        again = random.next() <= 0.02;
        if (!again) {
          requestId = nextId();
          bought += 1;
        }
        if (pauseMs > 0) await systemClock.sleep(random.next() * pauseMs);
      } catch (cause) {
        const error = PaystreamError.from(cause);
        if (!passing.has(error.code)) throw error;
        turn += 1;
        await systemClock.sleep(20);
      }
    }
  };

  const running = Promise.all(Array.from({ length: clients }, (_, index) => run(index)));
  const failed = running.then(() => Promise.reject(new Error('the clients stopped placing orders')));
  failed.catch(() => undefined);
  return {
    acknowledged,
    failed,
    get oldestMs() {
      return Math.min(...since);
    },
    more: async (count) => {
      const enough = acknowledged.size + count;
      while (acknowledged.size < enough) await Promise.race([systemClock.sleep(5), failed]);
    },
    stop: async () => {
      on = false;
      untilMs = systemClock.monotonic() + lastWaitMs;
      await running;
      await Promise.all(connections.map((client) => client.close()));
    },
  };
}
