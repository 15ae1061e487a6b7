import { type Clock, type ClockTimer, type Logger, PaystreamError } from '@paystream/core';
import { type Database, defineStatements } from '@paystream/core/sql';
import { countStatements } from './count-statements.ts';
import { eventDateOf } from './event-date.ts';
import { keyText } from './key-text.ts';
import { createPartitions } from './partitions.ts';

/** Options of {@link startRetention}. */
export interface RetentionOptions {
  readonly database: Database;
  /** The sink's name: its counts are brought down. */
  readonly instance: string;
  /** Entries are kept so long, in milliseconds, and then until their day is over; `undefined`: for ever. */
  readonly retentionMs: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Removes old entries now and then. */
export interface Retention {
  /** Removes what is too old now. Returns how many entries. */
  sweep(): Promise<number>;
  /** Waits for a sweep under way, and starts no other. */
  close(): Promise<void>;
}

const sweepEveryMs = 3_600_000;
const chunk = 1_000;

const statements = defineStatements(({ tables }) => ({
  oldest: `SELECT event_date, entry_id, kind, event FROM ${tables('log_entries')} WHERE event_date < ? ORDER BY event_date, entry_id LIMIT ${chunk}`,
  remove: `DELETE FROM ${tables('log_entries')} WHERE event_date = ? AND entry_id = ?`,
}));

interface OldRow {
  readonly event_date: number;
  readonly entry_id: string;
  readonly kind: number;
  readonly event: string;
}

/**
 * Starts removing entries of days that are over for longer than `retentionMs`: whole partitions where the table has them,
 * otherwise in chunks, so that storing is never held up for long. Makes the partitions of the coming days before it resolves.
 */
export async function startRetention(options: RetentionOptions): Promise<Retention> {
  const { database, instance, retentionMs, clock, logger } = options;
  const sql = statements(database);
  const counts = countStatements(database);
  const partitions = createPartitions(database, clock);
  let timer: ClockTimer | undefined;
  let running: Promise<number> | undefined;
  let ticking: Promise<void> | undefined;
  let closed = false;

  const prepare = async (): Promise<void> => {
    try {
      await partitions?.prepare();
    } catch (error) {
      logger.warn(
        { err: error },
        'coming days of log entries got no partitions yet; the entries of days without go to the partition "later"',
      );
    }
  };

  const removeChunk = (before: number): Promise<number> =>
    database.transaction(async (tx) => {
      const { rows } = await tx.execute<OldRow>(sql.oldest, [before]);
      if (rows.length === 0) return 0;
      const { affected } = await tx.executeMany(
        sql.remove,
        rows.map((row) => [row.event_date, row.entry_id]),
      );
      const gone = rows.filter((_, index) => affected[index] === 1);
      await tx.executeMany(
        counts.add,
        gone.map((row) => [row.event_date, instance, row.kind, keyText(row.event), -1]),
      );
      return rows.length;
    });

  const sweepAll = async (): Promise<number> => {
    if (retentionMs === undefined) return 0;
    const before = eventDateOf(clock.now() - retentionMs);
    try {
      await partitions?.dropBefore(before);
    } catch (error) {
      // Whoever uses the table, as a backup does, will be done some day; row by row is for who may not change a schema.
      if (PaystreamError.is(error) && error.reason === 'LOCK_TIMEOUT') throw error;
      logger.warn({ err: error }, 'days of log entries could not be dropped; removing them row by row');
    }
    let removed = 0;
    for (;;) {
      const count = await removeChunk(before);
      removed += count;
      if (count === chunk && !closed) continue;
      // Days that were dropped took nothing from the counts.
      if (count < chunk) await database.transaction((tx) => tx.execute(counts.forget, [before]));
      return removed;
    }
  };

  const sweep = (): Promise<number> => {
    running ??= sweepAll().finally(() => {
      running = undefined;
    });
    return running;
  };

  const tick = async (): Promise<void> => {
    await prepare();
    try {
      const removed = await sweep();
      if (removed > 0) logger.info({ removed }, 'old log entries removed');
    } catch (error) {
      logger.warn({ err: error }, 'old log entries could not be removed; trying again in an hour');
    }
    arm(sweepEveryMs);
  };
  const arm = (delayMs: number): void => {
    if (closed) return;
    timer = clock.setTimer(
      delayMs,
      () => {
        ticking = tick();
      },
      { unref: true },
    );
  };

  await prepare();
  if (retentionMs !== undefined || partitions !== undefined) arm(1_000);
  return {
    sweep,
    close: async () => {
      closed = true;
      timer?.cancel();
      await ticking;
      await running?.catch(() => undefined);
    },
  };
}
