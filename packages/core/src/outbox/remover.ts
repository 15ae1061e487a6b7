import type { Clock, ClockTimer } from '../clock/port.ts';
import type { Logger } from '../logger/port.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database } from '../sql/port.ts';
import type { OutboxRow } from './row.ts';
import { outboxStatements } from './statements.ts';

/** Options of {@link createRemover}. */
export interface RemoverOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long published rows may wait for others, in milliseconds. */
  readonly delayMs: number;
  /** So many are removed without waiting. */
  readonly batchSize: number;
  removed(rows: readonly OutboxRow[]): void;
}

/** Removes rows that are published, many at once. */
export interface Remover {
  add(row: OutboxRow): void;
  /** Removes what there is now. Rejects if the database does not let it; the rows are tried again after a second. */
  flush(): Promise<void>;
  stop(): void;
}

const afterFailureMs = 1_000;

/** Makes the remover of an outbox. */
export function createRemover(options: RemoverOptions): Remover {
  const { database, clock } = options;
  const sql = outboxStatements(database);
  let waiting: OutboxRow[] = [];
  let timer: ClockTimer | undefined;
  let last: Promise<void> = Promise.resolve();
  let stopped = false;

  const remove = async (): Promise<void> => {
    const rows = waiting;
    if (rows.length === 0) return;
    waiting = [];
    const byEpoch = new Map<number, number[]>();
    for (const row of rows) {
      const seqs = byEpoch.get(row.epoch);
      if (seqs === undefined) byEpoch.set(row.epoch, [row.seq]);
      else seqs.push(row.seq);
    }
    try {
      await database.transaction(async (tx) => {
        for (const [epoch, seqs] of byEpoch) await tx.execute(sql.remove, [epoch, jsonList(seqs)]);
      });
    } catch (error) {
      waiting = [...rows, ...waiting];
      // Whoever asked may not ask again, and nothing else would until the next row is published.
      soon(afterFailureMs);
      throw error;
    }
    options.removed(rows);
  };

  const flush = (): Promise<void> => {
    timer?.cancel();
    timer = undefined;
    const result = last.then(remove);
    last = result.catch(() => undefined);
    return result;
  };

  const soon = (delayMs: number): void => {
    if (timer !== undefined || stopped) return;
    timer = clock.setTimer(
      delayMs,
      () => {
        timer = undefined;
        flush().catch((error: unknown) => {
          options.logger.warn(
            { rows: waiting.length, err: error },
            'published rows of the outbox cannot be removed; trying again in a second',
          );
        });
      },
      { unref: true },
    );
  };

  return {
    add: (row) => {
      waiting.push(row);
      if (waiting.length === options.batchSize) {
        timer?.cancel();
        timer = undefined;
        soon(0);
      } else soon(options.delayMs);
    },
    flush,
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}
