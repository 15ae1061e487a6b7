import type { Clock, ClockTimer } from '../clock/port.ts';
import { sleepOn } from '../clock/sleep.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { settleTurns } from './settle.ts';
import { createTimerQueue } from './timer-queue.ts';

/** A length of time: milliseconds, or parts that are added up. */
export type Duration = number | { readonly hours?: number; readonly minutes?: number; readonly seconds?: number; readonly ms?: number };

/** Options of {@link createVirtualClock}. */
export interface VirtualClockOptions {
  /** What `now()` says at first, in milliseconds since the epoch. Default: 2026-01-01T00:00:00Z. */
  readonly startMs?: number;
  /**
   * How many turns of the event loop in a row must bring no work before the code under test counts as idle. Default: 4.
   * More for code that talks over sockets; see also {@link VirtualClock.hold}.
   */
  readonly quietTurns?: number;
}

/** A clock that stands still until a test moves it. */
export interface VirtualClock extends Clock {
  /**
   * Lets time pass. Timers fire in the order of their due times, equal ones in the order in which they were set; before the
   * first, between two and after the last, promises and I/O of the code under test settle. Rejects with what a timer's callback throws.
   */
  advance(duration: Duration): Promise<void>;
  /**
   * Lets time pass from timer to timer until the condition holds, and no further. Rejects with `DEADLINE_EXCEEDED` once
   * `maxMs` (default: one hour) have passed, or when no timer is left that could change anything.
   */
  runUntil(condition: () => boolean | Promise<boolean>, options?: { readonly maxMs?: number }): Promise<void>;
  /** Lets promises and I/O settle without any time passing. */
  settle(): Promise<void>;
  /**
   * Lets no time pass before this has ended, and gives what it gives: for work that the clock cannot see, such as an answer that
   * is awaited at a socket. Work that itself waits for the clock never ends.
   */
  hold<T>(work: Promise<T>): Promise<T>;
  /** How many timers are set. */
  readonly pendingTimers: number;
}

const defaultStartMs = 1_767_225_600_000;

function milliseconds(duration: Duration): number {
  if (typeof duration === 'number') return duration;
  return (duration.hours ?? 0) * 3_600_000 + (duration.minutes ?? 0) * 60_000 + (duration.seconds ?? 0) * 1_000 + (duration.ms ?? 0);
}

/**
 * Makes a clock for tests and simulations: two minutes pass at once, in the same order each time.
 *
 * @example
 * const clock = createVirtualClock();
 * const done = clock.sleep(120_000);
 * await clock.advance({ minutes: 2 });
 * await done;
 */
export function createVirtualClock(options: VirtualClockOptions = {}): VirtualClock {
  const startMs = options.startMs ?? defaultStartMs;
  const quietTurns = options.quietTurns ?? 4;
  const timers = createTimerQueue();
  let elapsed = 0;
  let last: Promise<void> = Promise.resolve();
  const held = new Set<Promise<unknown>>();

  const settle = (): Promise<void> => settleTurns(quietTurns, () => (held.size === 0 ? undefined : Promise.allSettled(held)));

  const hold = async <T>(work: Promise<T>): Promise<T> => {
    held.add(work);
    try {
      return await work;
    } finally {
      held.delete(work);
    }
  };

  // As on the platform, no timer is due in the moment in which it is set: so timers that set timers never hold time up.
  const setTimer = (delayMs: number, callback: () => void): ClockTimer =>
    timers.add(elapsed + (delayMs >= 1 ? Math.ceil(delayMs) : 1), callback);

  /** One mover at a time: a second call waits for the first. */
  const exclusively = (work: () => Promise<void>): Promise<void> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };

  const fireNext = async (untilMs: number): Promise<boolean> => {
    const timer = timers.takeDue(untilMs);
    if (timer === undefined) return false;
    elapsed = Math.max(elapsed, timer.dueMs);
    timer.callback();
    await settle();
    return true;
  };

  const notReached = (message: string): PaystreamError =>
    new PaystreamError('DEADLINE_EXCEEDED', message, { reason: 'CONDITION_NOT_REACHED' });

  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    setTimer,
    sleep: (delayMs, signal) => sleepOn({ setTimer }, delayMs, signal),
    settle,
    hold,
    get pendingTimers() {
      return timers.size;
    },
    advance: (duration) =>
      exclusively(async () => {
        const untilMs = elapsed + Math.ceil(milliseconds(duration));
        await settle();
        while (await fireNext(untilMs));
        elapsed = untilMs;
        await settle();
      }),
    runUntil: (condition, { maxMs = 3_600_000 } = {}) =>
      exclusively(async () => {
        const untilMs = elapsed + maxMs;
        await settle();
        while (!(await condition())) {
          if (await fireNext(untilMs)) continue;
          throw notReached(
            timers.size === 0
              ? 'the condition does not hold and no timer is set that could change it'
              : `the condition does not hold after ${maxMs} ms`,
          );
        }
      }),
  };
}
