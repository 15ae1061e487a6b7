import type { Clock } from '../clock/port.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import type { Database } from '../sql/port.ts';
import type { StoredRow } from './reader.ts';
import { createRemover } from './remover.ts';
import { type OutboxRow, rowKey } from './row.ts';
import { createWaiters } from './waiters.ts';

/** Options of {@link createKnownRows}. */
export interface KnownRowsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long published rows wait to be removed together, in milliseconds. */
  readonly removeDelayMs: number;
  /** Called for rows that are not in the table when they are to be read: removed by others, or not shown yet by the node that is asked. */
  readonly unseen: (row: OutboxRow) => void;
}

/** The rows that an instance is to publish, each until it is removed. */
export interface KnownRows {
  /** It is to be published, or once more from its first event. */
  add(row: OutboxRow): void;
  has(row: Pick<OutboxRow, 'epoch' | 'seq'>): boolean;
  all(): readonly OutboxRow[];
  /** When the oldest row was added that has others to publish than those that are held back; `undefined` if there is none. */
  readonly oldestMs: number | undefined;
  /** What the table holds of a row is not published, for it cannot be read, or not now. */
  miss(stored: StoredRow): void;
  /** All that is left of a row is held back, or nothing is left; it is removed then, but for one that was missed. */
  settle(row: OutboxRow): void;
  /** They are somebody else's. */
  forget(rows: readonly OutboxRow[]): void;
  /** Removes what is published now if somebody waits for it. */
  hurry(): void;
  /** Resolves when every row known now is published and removed, but for those that cannot be read or are held back. */
  flush(): Promise<void>;
  /** Removes what is published. What is left stays in the table, and whoever waits for it is told the reason. */
  stop(reason: PaystreamError): Promise<void>;
}

/** All that is left of a row is refused, or waits behind what is. */
const isHeldBack = (row: OutboxRow): boolean => row.left > 0 && row.left === row.refused;

/** Makes the list of an outbox. */
export function createKnownRows(options: KnownRowsOptions): KnownRows {
  const { logger } = options;
  const known = new Map<string, OutboxRow>();
  const unreadable = new WeakSet<OutboxRow>();
  const unseen = new WeakSet<OutboxRow>();
  const waiters = createWaiters();

  /** Nothing is left to do about these rows. */
  const over = (rows: readonly OutboxRow[]): void => {
    for (const row of rows) known.delete(rowKey(row));
    waiters.over(rows);
  };

  const remover = createRemover({
    database: options.database,
    clock: options.clock,
    logger,
    delayMs: options.removeDelayMs,
    batchSize: 256,
    removed: over,
  });
  const removeNow = (): void => {
    remover.flush().catch((error: unknown) => logger.warn({ err: error }, 'published rows of the outbox cannot be removed yet'));
  };

  return {
    add: (row) => {
      unseen.delete(row);
      row.knownAtMs = options.clock.monotonic();
      known.set(rowKey(row), row);
    },
    has: (row) => known.has(rowKey(row)),
    all: () => [...known.values()],
    get oldestMs() {
      for (const row of known.values()) if (row.left > row.refused) return row.addedAtMs;
      return undefined;
    },
    miss: (stored) => {
      const { row } = stored;
      if (stored.state !== 'unreadable') unseen.add(row);
      else if (!unreadable.has(row)) {
        unreadable.add(row);
        const told = { epoch: row.epoch, seq: row.seq, err: stored.error };
        logger.error(told, 'a row of the outbox cannot be read: its events are not published');
      }
    },
    settle: (row) => {
      // What cannot be read stays known, so that it is complained of once; it stays in the table, for somebody to look at.
      if (isHeldBack(row) || unreadable.has(row)) waiters.over([row]);
      else if (unseen.has(row)) {
        over([row]);
        options.unseen(row);
      } else remover.add(row);
    },
    forget: over,
    hurry: () => {
      if (waiters.some) removeNow();
    },
    flush: () => {
      const rows = [...known.values()].filter((row) => !unreadable.has(row) && !isHeldBack(row));
      if (rows.length === 0) return Promise.resolve();
      const done = waiters.wait(rows);
      removeNow();
      return done;
    },
    stop: async (reason) => {
      try {
        await remover.flush();
      } catch (error) {
        logger.warn({ err: error }, 'published rows of the outbox could not be removed: their events will be published again');
      }
      remover.stop();
      waiters.end(reason);
    },
  };
}
