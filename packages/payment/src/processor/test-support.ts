import { create } from '@bufbuild/protobuf';
import { type Broker, type Clock, createConsumer, createProducer, PaystreamError } from '@paystream/core';
import {
  type LogEntry,
  OrderCancelRequestedSchema,
  type OrderEvent,
  OrderEventSchema,
  OrderPlacedSchema,
  OrderSchema,
  OrderState,
  paystreamTopics,
  type TransactionEvent,
  timestampFromMs,
  toMoneyMessage,
  type WalletUpdate,
} from '@paystream/core/contracts';
import type { Database } from '@paystream/core/sql';

/** A database with rows that a bug or a hand has spoiled: a transaction that reads one of them fails. */
export function spoilRows(database: Database, isSpoiled: (parameter: string) => boolean): Database {
  return {
    ...database,
    transaction: (work) =>
      database.transaction((tx) =>
        work({
          execute: (sql, parameters = []) =>
            sql.startsWith('SELECT') && parameters.some((one) => isSpoiled(String(one)))
              ? Promise.reject(new PaystreamError('DATA_LOSS', 'a row is spoiled', { reason: 'SPOILED' }))
              : tx.execute(sql, parameters),
          executeMany: (sql, rows) => tx.executeMany(sql, rows),
          onCommit: (committed, unknown) => tx.onCommit(committed, unknown),
        }),
      ),
  };
}

/** A database in which somebody holds the rows of some payments: a transaction that wants one of them waits as on MySQL, and fails. Others go on. */
export function lockRows(database: Database, clock: Clock, isLocked: (orderId: string) => boolean): Database {
  const wanted = (parameter: unknown): boolean => {
    const list = typeof parameter === 'string' && parameter.startsWith('[') ? (JSON.parse(parameter) as string[]) : [String(parameter)];
    return list.some(isLocked);
  };
  return {
    ...database,
    exclusive: false,
    transaction: async (work) => {
      const held = new PaystreamError('ABORTED', 'another transaction holds a row', { reason: 'LOCK_TIMEOUT', retryable: true });
      try {
        return await database.transaction((tx) =>
          work({
            execute: (sql, parameters = []) =>
              /^UPDATE|FOR UPDATE|payments/.test(sql) && parameters.some(wanted) ? Promise.reject(held) : tx.execute(sql, parameters),
            executeMany: (sql, rows) =>
              sql.startsWith('UPDATE') && rows.some((row) => row.some(wanted)) ? Promise.reject(held) : tx.executeMany(sql, rows),
            onCommit: (committed, unknown) => tx.onCommit(committed, unknown),
          }),
        );
      } catch (error) {
        // It waits outside of the transaction that it has: SQLite runs one at a time.
        if (error === held) await clock.sleep(10_000);
        throw error;
      }
    },
  };
}

/** What a test says of an order. */
export interface TestOrder {
  readonly orderId: string;
  readonly method?: string;
  readonly units?: bigint;
  readonly currency?: string;
  readonly merchantId?: string;
  readonly customerId?: string;
  readonly placedAtMs?: number;
  /** Of the call that placed it. */
  readonly traceparent?: string;
}

function placedEvent(clock: Clock, order: TestOrder): OrderEvent {
  const placedAtMs = order.placedAtMs ?? clock.now();
  const value = create(OrderPlacedSchema, {
    order: create(OrderSchema, {
      orderId: order.orderId,
      merchantId: order.merchantId ?? 'm1',
      state: OrderState.PENDING,
      version: 1n,
      customer: { customerId: order.customerId ?? 'c1', name: 'Ada', email: 'ada@example.org', phone: '' },
      paymentMethod: { reference: order.method ?? 'pm_card_visa' },
      total: toMoneyMessage({ currency: order.currency ?? 'EUR', units: order.units ?? 1_000n }),
      createTime: timestampFromMs(placedAtMs),
      expireTime: timestampFromMs(placedAtMs + 120_000),
    }),
  });
  return create(OrderEventSchema, { event: { case: 'placed', value } });
}

export function cancelEvent(clock: Clock, orderId: string, merchantId = 'm1', reason = 'changed my mind'): OrderEvent {
  const value = create(OrderCancelRequestedSchema, {
    orderId,
    merchantId,
    reason,
    requestTime: timestampFromMs(clock.now()),
  });
  return create(OrderEventSchema, { event: { case: 'cancelRequested', value } });
}

/** Plays the order service on one side and everybody who listens on the other. */
export interface Counterpart {
  place(...orders: readonly TestOrder[]): Promise<void>;
  cancel(orderId: string, merchantId?: string, traceparent?: string): Promise<void>;
  send(event: OrderEvent): Promise<void>;
  /** What payment has published, each event id once, in order. */
  readonly decisions: readonly TransactionEvent[];
  /** How often each event id came. */
  readonly deliveries: ReadonlyMap<string, number>;
  readonly updates: readonly WalletUpdate[];
  readonly logs: readonly LogEntry[];
  /** The decisions about one order: `['settled']`. */
  outcomes(orderId: string): readonly string[];
  close(): Promise<void>;
}

export async function createCounterpart(broker: Broker, clock: Clock): Promise<Counterpart> {
  const topics = paystreamTopics();
  const producer = await createProducer(broker, topics.orders, { clock });
  const decisions: TransactionEvent[] = [];
  const deliveries = new Map<string, number>();
  const updates: WalletUpdate[] = [];
  const logs: LogEntry[] = [];
  const fresh = (eventId: string): boolean => {
    const count = deliveries.get(eventId) ?? 0;
    deliveries.set(eventId, count + 1);
    return count === 0;
  };
  const common = { subscription: 'counterpart', clock } as const;
  const consumers = [
    await createConsumer(broker, topics.transactions, {
      ...common,
      handleBatch: async (batch) => {
        for (const { value, eventId } of batch) if (fresh(eventId)) decisions.push(value);
      },
    }),
    await createConsumer(broker, topics.walletUpdates, {
      ...common,
      handleBatch: async (batch) => {
        for (const { value, eventId } of batch) if (fresh(eventId)) updates.push(value);
      },
    }),
    await createConsumer(broker, topics.transactionLogs, {
      ...common,
      handleBatch: async (batch) => {
        for (const { value, eventId } of batch) if (fresh(eventId)) logs.push(value);
      },
    }),
  ];
  return {
    place: async (...orders) => {
      await Promise.all(orders.map((order) => producer.send(placedEvent(clock, order), { traceparent: order.traceparent })));
    },
    cancel: async (orderId, merchantId, traceparent) => {
      await producer.send(cancelEvent(clock, orderId, merchantId), { traceparent });
    },
    send: async (event) => {
      await producer.send(event);
    },
    decisions,
    deliveries,
    updates,
    logs,
    outcomes: (orderId) => decisions.filter((decision) => decision.orderId === orderId).map((decision) => decision.outcome.case ?? ''),
    close: async () => {
      await producer.close();
      await Promise.all(consumers.map((consumer) => consumer.close()));
    },
  };
}
