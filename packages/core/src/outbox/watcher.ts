import type { Clock, ClockTimer } from '../clock/port.ts';
import { type OutboxRow, rowKey } from './row.ts';

/** Options of {@link createWatcher}. */
export interface WatcherOptions {
  readonly clock: Clock;
  /** A row that has not come up after so long is left to the sweeps, in milliseconds. */
  readonly giveUpMs: number;
  /** Looks for rows in the table; gives those that need no more looking for. */
  look(rows: readonly OutboxRow[]): Promise<readonly OutboxRow[]>;
}

/** Looks for rows whose transactions do not tell of their end: soon at first, then ever more seldom. */
export interface Watcher {
  watch(row: OutboxRow): void;
  forget(row: Pick<OutboxRow, 'epoch' | 'seq'>): void;
  /** Looks for all of them now. */
  lookNow(): Promise<void>;
  stop(): void;
}

interface Watched {
  readonly row: OutboxRow;
  waitMs: number;
  dueAtMs: number;
}

/** Most transactions end within some milliseconds of their last statement; the wait doubles with each look in vain. */
const firstWaitMs = 10;
const maxWatched = 10_000;

/** Makes the watcher of an outbox. Rows that are due together cost one query. */
export function createWatcher(options: WatcherOptions): Watcher {
  const { clock, giveUpMs } = options;
  const watched = new Map<string, Watched>();
  let timer: ClockTimer | undefined;
  let timerDueAtMs = Number.POSITIVE_INFINITY;
  let looking: Promise<void> | undefined;
  let stopped = false;

  const look = async (due: readonly Watched[]): Promise<void> => {
    for (const row of await options.look(due.map((one) => one.row))) watched.delete(rowKey(row));
  };

  const waitLonger = (due: readonly Watched[]): void => {
    const nowMs = clock.monotonic();
    for (const one of due) {
      one.waitMs *= 2;
      one.dueAtMs = nowMs + one.waitMs;
      if (one.waitMs > giveUpMs) watched.delete(rowKey(one.row));
    }
  };

  const tick = (): void => {
    timerDueAtMs = Number.POSITIVE_INFINITY;
    const nowMs = clock.monotonic();
    const due = [...watched.values()].filter((one) => one.dueAtMs <= nowMs);
    // Failing to look is a look in vain; the sweeps tell of a database that is away.
    looking = look(due)
      .catch(() => undefined)
      .finally(() => {
        looking = undefined;
        waitLonger(due);
        let dueAtMs = Number.POSITIVE_INFINITY;
        for (const one of watched.values()) dueAtMs = Math.min(dueAtMs, one.dueAtMs);
        arm(dueAtMs);
      });
  };

  /** A new row is due before older ones that were looked for in vain. */
  const arm = (dueAtMs: number): void => {
    if (looking !== undefined || stopped || dueAtMs >= timerDueAtMs) return;
    timer?.cancel();
    timerDueAtMs = dueAtMs;
    timer = clock.setTimer(Math.max(0, dueAtMs - clock.monotonic()), tick, { unref: true });
  };

  return {
    watch: (row) => {
      if (watched.size >= maxWatched) return;
      const dueAtMs = clock.monotonic() + firstWaitMs;
      watched.set(rowKey(row), { row, waitMs: firstWaitMs, dueAtMs });
      arm(dueAtMs);
    },
    forget: (row) => watched.delete(rowKey(row)),
    lookNow: () => (watched.size === 0 ? Promise.resolve() : look([...watched.values()])),
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}
