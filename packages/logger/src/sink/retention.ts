import type { Clock, ClockTimer, Logger } from '@paystream/core';
import { type Database, defineStatements } from '@paystream/core/sql';
import { eventDateOf } from './event-date.ts';

/** Options of {@link startRetention}. */
export interface RetentionOptions {
  readonly database: Database;
  /** The sink's name: its counts are brought down. */
  readonly instance: string;
  /** Entries are kept so long, in milliseconds, and then until their day is over. */
  readonly retentionMs: number;
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

const statements = defineStatements(({ tables, dialect }) => ({
  oldest: `SELECT event_date, entry_id, kind, event FROM ${tables('log_entries')} WHERE event_date < ? ORDER BY event_date, entry_id LIMIT ${chunk}`,
  remove: `DELETE FROM ${tables('log_entries')} WHERE event_date = ? AND entry_id = ?`,
  count: dialect.upsert(
    tables('log_counts'),
    ['instance', 'kind', 'event', 'entries'],
    ['instance', 'kind', 'event'],
    (excluded) => `entries = ${tables('log_counts')}.entries + ${excluded('entries')}`,
  ),
}));

interface OldRow {
  readonly event_date: number;
  readonly entry_id: string;
  readonly kind: number;
  readonly event: string;
}

/** Starts removing entries of days that are over for longer than `retentionMs`, in chunks, so that storing is never held up for long. */
export function startRetention(options: RetentionOptions): Retention {
  const { database, instance, retentionMs, clock, logger } = options;
  const sql = statements(database);
  let timer: ClockTimer | undefined;
  let running: Promise<number> | undefined;
  let closed = false;

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
        sql.count,
        gone.map((row) => [instance, row.kind, row.event, -1]),
      );
      return rows.length;
    });

  const sweepAll = async (): Promise<number> => {
    const before = eventDateOf(clock.now() - retentionMs);
    let removed = 0;
    for (;;) {
      const count = await removeChunk(before);
      removed += count;
      if (count < chunk || closed) return removed;
    }
  };

  const sweep = (): Promise<number> => {
    running ??= sweepAll().finally(() => {
      running = undefined;
    });
    return running;
  };

  const tick = async (): Promise<void> => {
    try {
      const removed = await sweep();
      if (removed > 0) logger.info({ removed }, 'old log entries removed');
    } catch (error) {
      logger.warn({ err: error }, 'old log entries could not be removed; trying again in an hour');
    }
    if (!closed) timer = clock.setTimer(sweepEveryMs, () => void tick(), { unref: true });
  };

  timer = clock.setTimer(1_000, () => void tick(), { unref: true });
  return {
    sweep,
    close: async () => {
      closed = true;
      timer?.cancel();
      await running?.catch(() => undefined);
    },
  };
}
