import type { Clock, ClockTimer } from '@paystream/core';

/** Calls back those to whom nothing was said for a while. */
export interface Heartbeats<T> {
  /** Begins, or begins anew, the time of one. */
  touch(one: T): void;
  /** Ends it. */
  remove(one: T): void;
  /** Ends all. */
  close(): void;
}

/**
 * One timer for all: since everyone's time is equally long, the order of touching is the order in which they are due, and
 * a `Map` keeps it. Ten thousand quiet watchers cost ten thousand entries and one timer.
 */
export function createHeartbeats<T>(clock: Clock, afterMs: number, onQuiet: (one: T) => void): Heartbeats<T> {
  const due = new Map<T, number>();
  let timer: ClockTimer | undefined;

  const arm = (): void => {
    const [first] = due.values();
    if (timer !== undefined || first === undefined) return;
    timer = clock.setTimer(Math.max(1, first - clock.monotonic()), fire, { unref: true });
  };

  const fire = (): void => {
    timer = undefined;
    const now = clock.monotonic();
    const quiet: T[] = [];
    for (const [one, dueMs] of due) {
      if (dueMs > now) break;
      quiet.push(one);
    }
    for (const one of quiet) {
      due.delete(one);
      due.set(one, now + afterMs);
      onQuiet(one);
    }
    arm();
  };

  return {
    touch: (one) => {
      due.delete(one);
      due.set(one, clock.monotonic() + afterMs);
      arm();
    },
    remove: (one) => {
      due.delete(one);
      if (due.size > 0) return;
      timer?.cancel();
      timer = undefined;
    },
    close: () => {
      due.clear();
      timer?.cancel();
      timer = undefined;
    },
  };
}
