import { type Batcher, type Clock, createBatcher, type Telemetry } from '@paystream/core';
import { type BusinessLog, DeliveryState, LogLevel } from '@paystream/core/contracts';
import { type Database, defineStatements, type Outbox, type OutboxEvent, type SqlValue } from '@paystream/core/sql';
import type { DeliveryStore, OwnedResult } from './delivery-store.ts';

/** Options of {@link createRecorder}. */
export interface RecorderOptions {
  readonly database: Database;
  readonly store: DeliveryStore;
  readonly outbox: Outbox;
  readonly businessLog: BusinessLog;
  /** Whose counts are raised. */
  readonly instance: string;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const statements = defineStatements(({ tables, dialect }) => ({
  count: dialect.upsert(
    tables('notify_counts'),
    ['instance', 'channel', 'state', 'deliveries'],
    ['instance', 'channel', 'state'],
    (excluded) => `deliveries = ${tables('notify_counts')}.deliveries + ${excluded('deliveries')}`,
  ),
}));

interface Ending {
  readonly event: string;
  readonly level: LogLevel;
  readonly message: string;
}

const endings: ReadonlyMap<DeliveryState, Ending> = new Map([
  [DeliveryState.DELIVERED, { event: 'notification.delivered', level: LogLevel.INFO, message: 'was delivered' }],
  [DeliveryState.REJECTED, { event: 'notification.rejected', level: LogLevel.WARN, message: 'was rejected' }],
  [DeliveryState.FAILED, { event: 'notification.failed', level: LogLevel.ERROR, message: 'failed' }],
  [DeliveryState.UNKNOWN, { event: 'notification.unknown', level: LogLevel.WARN, message: 'may or may not have been sent' }],
]);

function eventOf(businessLog: BusinessLog, result: OwnedResult, ending: Ending): OutboxEvent {
  const { message } = result.delivery;
  return businessLog({
    event: ending.event,
    message: `the ${result.channel} message ${ending.message}`,
    level: ending.level,
    trace: result.trace ?? {},
    orderId: message.orderId,
    merchantId: message.merchantId,
    attributes: {
      deliveryId: message.deliveryId,
      channel: result.channel,
      tries: String(result.tries),
      ...(result.detail === '' ? undefined : { detail: result.detail }),
    },
  });
}

/**
 * Group commit of outcomes: the state of each delivery, the count of how they ended and the business entry that tells of it
 * stand or fall together. Results of all channels share transactions.
 */
export function createRecorder(options: RecorderOptions): Batcher<readonly OwnedResult[], void> {
  const { database, store, outbox, businessLog, instance, clock, telemetry } = options;
  const sql = statements(database);

  return createBatcher<readonly OwnedResult[], void>({
    name: 'notify-outcomes',
    telemetry,
    maxSize: 64,
    run: async (batches) => {
      const results = batches.flat();
      const ended = await database.transaction(async (tx) => {
        const recorded = await store.record(tx, results, clock.now());
        const counts = new Map<string, [channel: string, state: DeliveryState, deliveries: number]>();
        const events: OutboxEvent[] = [];
        results.forEach((result, index) => {
          const ending = endings.get(result.state);
          if (ending === undefined || recorded[index] !== true) return;
          events.push(eventOf(businessLog, result, ending));
          const key = `${result.channel} ${result.state}`;
          const count = counts.get(key);
          if (count === undefined) counts.set(key, [result.channel, result.state, 1]);
          else count[2] += 1;
        });
        if (events.length === 0) return [];
        const rows = [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, count]): SqlValue[] => [instance, ...count]);
        await tx.executeMany(sql.count, rows);
        await outbox.add(tx, events);
        return [...counts.values()];
      });
      for (const [channel, state, deliveries] of ended) {
        telemetry.count('paystream_notify_deliveries_total', { channel, event: endings.get(state)?.event ?? '' }, deliveries);
      }
      return batches.map(() => undefined);
    },
  });
}
