import type { AddressedMessage } from '../broker/pack.ts';
import type { Broker } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Running } from '../lifecycle/port.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import { createIdGenerator } from '../random/id.ts';
import type { Random } from '../random/port.ts';
import { systemRandom } from '../random/system-random.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database, MigrationMode, SqlTransaction, Transaction } from '../sql/port.ts';
import { noTelemetry, type Telemetry, type TraceContext } from '../telemetry/port.ts';
import { sealMessage } from '../topic/envelope.ts';
import { expectFailures } from './attempt.ts';
import { encodeContent } from './content.ts';
import { createEpochs } from './epochs.ts';
import { outboxMigrations } from './migrations.ts';
import type { Outbox, OutboxEvent } from './port.ts';
import { createProducerCache } from './producers.ts';
import { createPublisher, type Publisher } from './publisher.ts';
import type { OutboxRow } from './row.ts';
import { outboxStatements } from './statements.ts';
import { createSweeper, type Lapse } from './sweeper.ts';

/** Options of {@link createOutbox}. */
export interface OutboxOptions {
  /** Where events wait: the one whose transactions it joins. */
  readonly database: Database;
  /** Where they are published. */
  readonly broker: Broker;
  /** Default: the system clock. */
  readonly clock?: Clock;
  /** Default: the system's. */
  readonly random?: Random;
  /** Default: writes nothing. */
  readonly logger?: Logger;
  /** Gets how many events wait and for how long, were published and could not be, and a span for each call of the broker. Default: keeps nothing. */
  readonly telemetry?: Telemetry;
  /**
   * After how long without a sign of life others take over this instance's rows, in milliseconds. One that comes back publishes
   * later events of the same keys when they have published those, or for twice as long have published none of them. Default: 10,000.
   */
  readonly leaseMs?: number;
  /**
   * At most about so many events wait in memory; beyond it only their places do, and they are read again. All topics share it; those
   * of one that takes nothing leave it to the others. Default: 20,000.
   */
  readonly maxPendingEvents?: number;
  /** The same in bytes. Default: 64 MiB. */
  readonly maxPendingBytes?: number;
  /** At most so many events in one call of the broker, and no more than a quarter of `maxPendingEvents`. Default: 1,000. */
  readonly maxBatchSize?: number;
  /** How long published rows wait to be removed together, in milliseconds. Default: 20. */
  readonly removeDelayMs?: number;
  /** What to do about the schema. Default: `apply`. */
  readonly migrations?: MigrationMode;
}

/** What is said of events that wait for too long. */
function stalled({ pending, refused, lastFailure }: Publisher, oldestForMs: number): PaystreamError {
  const waits = `${pending - refused} events wait to be published, the oldest for ${Math.round(oldestForMs / 1_000)} s`;
  const { topic, error } = lastFailure ?? {};
  const why =
    error === undefined ? 'is the broker up?' : `the last attempt, on topic "${topic}", failed with ${error.reason}: ${error.message}`;
  return new PaystreamError('UNAVAILABLE', `${waits}: ${why}`, { reason: 'OUTBOX_STALLED', cause: error });
}

/** What is said of leases that are over and cannot be renewed. */
function leaseLost({ forMs, error }: Lapse): PaystreamError {
  const why = error === undefined ? 'the last try has no answer yet' : `the last try failed with ${error.reason}: ${error.message}`;
  const message = `the lease of the outbox was last renewed ${Math.round(forMs / 1_000)} s ago, and nothing is published until it is again: ${why}`;
  return new PaystreamError('UNAVAILABLE', message, { reason: 'OUTBOX_LEASE_LOST', cause: error });
}

function outboxClosed(): PaystreamError {
  return new PaystreamError('UNAVAILABLE', 'the outbox is closed', { reason: 'CLOSED' });
}

const nothing = { committed: (): void => undefined };

/** So much of messages stands in one row, but for a single one that is larger: a statement of MySQL holds twice as much and more by default. */
const mostInRow = 3 * 1024 * 1024;

/** Messages by the row in which they stand, nearly always one for all. */
function inParts(messages: readonly AddressedMessage[]): readonly (readonly AddressedMessage[])[] {
  const parts: AddressedMessage[][] = [];
  let part: AddressedMessage[] = [];
  let bytes = 0;
  for (const one of messages) {
    const { length } = one.message.payload;
    if (part.length > 0 && bytes + length > mostInRow) {
      parts.push(part);
      part = [];
      bytes = 0;
    }
    part.push(one);
    bytes += length;
  }
  return [...parts, part];
}

/**
 * Makes an outbox and starts to publish: first what others left behind, then what is added. The broker may be away.
 *
 * Errors: those of the database, such as `UNAVAILABLE`; `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` where a table or column was
 * dropped, `SCHEMA_OUT_OF_DATE` where migrations are only checked.
 *
 * Its `check` rejects with `UNAVAILABLE`, its cause what failed last: `OUTBOX_STALLED` while the oldest event that waits, and is not
 * refused, has waited for `leaseMs`; `OUTBOX_LEASE_LOST` while the lease is over and cannot be renewed, as on a database that other
 * processes use too and that takes no writes from this one. It publishes nothing then, and others may take over its rows. An
 * exclusive database has no leases; its `ping` tells whether it can store.
 *
 * @example
 * const outbox = await createOutbox({ database, broker });
 * await database.transaction(async (tx) => {
 *   await tx.execute(insertUser, [user.id, user.email]);
 *   await outbox.add(tx, [outboxEvent(signups, { userId: user.id, email: user.email })]);
 * });
 */
export async function createOutbox(options: OutboxOptions): Promise<Outbox & Running> {
  const { database } = options;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const logger = options.logger ?? silentLogger;
  const telemetry = options.telemetry ?? noTelemetry;
  const leaseMs = options.leaseMs ?? 10_000;
  await database.migrate(outboxMigrations, options.migrations);
  const { insert, remove } = outboxStatements(database);
  const newId = createIdGenerator(clock, random);
  const producers = createProducerCache(options.broker, logger);
  const epochs = await createEpochs({ database, clock, random, leaseMs });
  const publisher = createPublisher({
    database,
    clock,
    random,
    logger,
    telemetry,
    system: options.broker.name,
    maxBatch: options.maxBatchSize ?? 1_000,
    maxPendingEvents: options.maxPendingEvents ?? 20_000,
    maxPendingBytes: options.maxPendingBytes ?? 64 * 1024 * 1024,
    removeDelayMs: options.removeDelayMs ?? 20,
    maxHoldMs: 2 * leaseMs,
    producer: producers.get,
    dropProducer: producers.drop,
    // Those of the other epochs that it owns are looked for at each sweep.
    unseen: (row) => {
      if (row.epoch === epochs.current) sweeper.lookForOwn();
    },
    lookFor: (rows) => sweeper.lookFor(rows),
    permit: () => (epochs.fresh() ? undefined : sweeper.ascertain()),
  });
  const sweeper = createSweeper({ database, clock, logger, epochs, publisher, leaseMs });
  let seq = 0;
  let closing: Promise<void> | undefined;

  const seal = (event: OutboxEvent, nowMs: number, here: TraceContext | undefined): AddressedMessage => ({
    topic: event.topic.name,
    message: sealMessage(event.topic, event.value as never, {
      eventId: event.eventId ?? newId(),
      occurredAtMs: event.occurredAtMs ?? nowMs,
      correlationId: event.correlationId,
      traceparent: event.traceparent ?? here?.traceparent,
      tracestate: event.traceparent === undefined ? here?.tracestate : event.tracestate,
    }),
  });

  const onCommitted = (row: OutboxRow, messages: readonly AddressedMessage[]): void => {
    // Else it is found in the table: by this instance if a sweep saw it first, or by whoever has its epoch.
    if (sweeper.wasFound(row) || publisher.knows(row)) return;
    if (epochs.owned.has(row.epoch)) telemetry.detached(() => publisher.committed(row, messages));
    else publisher.lost(row);
  };

  const onUnknown = (row: OutboxRow): void => {
    if (sweeper.wasFound(row) || publisher.knows(row)) return;
    sweeper.watch(row);
    if (epochs.owned.has(row.epoch)) telemetry.detached(() => publisher.doubted(row));
    else publisher.lost(row);
  };

  /** Writes all rows or none, whatever becomes of the transaction. */
  const insertRows = async (
    tx: Transaction | SqlTransaction,
    written: readonly { row: OutboxRow; content: Uint8Array }[],
  ): Promise<void> => {
    const done: OutboxRow[] = [];
    try {
      for (const { row, content } of written) {
        await tx.execute(insert, [row.epoch, row.seq, row.addedAtMs, row.events, content]);
        done.push(row);
      }
    } catch (error) {
      const [first] = done;
      if (first !== undefined) {
        const removed = tx.execute(remove, [first.epoch, jsonList(done.map((row) => row.seq))]);
        // It cannot be done in a transaction that is over, which stores nothing.
        await removed.catch((second: unknown) => logger.debug({ err: second }, 'what was added to the outbox ends with its transaction'));
      }
      throw error;
    }
  };

  /** What was committed without a word is known only once it was looked for. */
  const flush = async (): Promise<void> => {
    await sweeper.lookForWatched();
    await publisher.flush();
  };

  const finish = async (timeoutMs: number): Promise<void> => {
    if (timeoutMs > 0) {
      const flushed = new AbortController();
      const flushing = flush().catch((error: unknown) => {
        if (!flushed.signal.aborted) logger.warn({ err: error }, 'the outbox could not look for its last rows');
      });
      await Promise.race([flushing, clock.sleep(timeoutMs, flushed.signal).catch(() => undefined)]);
      flushed.abort();
    }
    await sweeper.stop();
    await publisher.stop(outboxClosed());
    await producers.close();
    try {
      await epochs.close();
    } catch (error) {
      logger.warn({ err: error }, 'the outbox could not give up its epoch: its rows are taken over when the lease is over');
    }
  };

  try {
    await sweeper.start();
  } catch (error) {
    // Else what it may have taken over had an owner that lives, and never does anything.
    await finish(0);
    throw error;
  }
  return {
    add: async (tx, events) => {
      if (closing !== undefined) throw outboxClosed();
      if (events.length === 0) return nothing;
      const nowMs = clock.now();
      const here = telemetry.tracing ? telemetry.current() : undefined;
      const messages = events.map((event) => seal(event, nowMs, here));
      const epoch = epochs.current;
      const written = inParts(messages).map((part) => {
        const { content, bytes } = encodeContent(part);
        const count = part.length;
        const at = { epoch, seq: ++seq, events: count, addedAtMs: nowMs };
        const row: OutboxRow = { ...at, knownAtMs: 0, bytes, left: count, refused: 0, aside: 0 };
        return { row, part, content };
      });
      await insertRows(tx, written);
      let told = false;
      const committed = (): void => {
        if (told) return;
        told = true;
        for (const { row, part } of written) {
          sweeper.unwatch(row);
          onCommitted(row, part);
        }
      };
      const unknown = (): void => {
        for (const { row } of written) onUnknown(row);
      };
      if ('onCommit' in tx) tx.onCommit(committed, unknown);
      else for (const { row } of written) sweeper.watch(row);
      return { committed };
    },
    prepare: async (topics) => {
      if (closing !== undefined) throw outboxClosed();
      for (const { name } of topics) expectFailures(telemetry, name);
      await producers.prepare(topics.map(({ name }) => name));
    },
    get pending() {
      return publisher.pending;
    },
    flush,
    check: async () => {
      if (sweeper.lapse !== undefined) throw leaseLost(sweeper.lapse);
      const oldestMs = publisher.oldestMs;
      if (oldestMs === undefined || clock.now() - oldestMs < leaseMs) return;
      throw stalled(publisher, clock.now() - oldestMs);
    },
    close: (timeoutMs = 5_000) => {
      closing ??= finish(timeoutMs);
      return closing;
    },
  };
}
