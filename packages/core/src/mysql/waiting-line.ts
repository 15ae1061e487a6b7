import type { Clock } from '../clock/port.ts';

/** Lets so many in at a time; the others wait in line. */
export interface WaitingLine {
  /**
   * Resolves when there is a place. Rejects when that takes too long; whoever was told so has no place, and never gets one. Who is
   * urgent goes before those who are not, and from the first such one on the last place is kept for them, unless it is the only one.
   */
  enter(urgent?: boolean): Promise<void>;
  /** Gives a place back. */
  leave(): void;
}

/** Options of {@link createWaitingLine}. */
export interface WaitingLineOptions {
  /** How many may be in. */
  readonly places: number;
  /** How long one waits at most, in milliseconds. */
  readonly maxWaitMs: number;
  readonly clock: Clock;
  /** What is told to one who waited for so long. */
  readonly refusal: () => Error;
}

/** Makes a line in which nobody waits for ever, and which is therefore never longer than what comes in that time. */
export function createWaitingLine({ places, maxWaitMs, clock, refusal }: WaitingLineOptions): WaitingLine {
  const hurried = new Set<() => void>();
  const others = new Set<() => void>();
  let inside = 0;
  let kept = 0;
  const hasRoom = (urgent: boolean): boolean => inside < (urgent ? places : places - kept);
  return {
    enter: (urgent = false) => {
      if (urgent && places > 1) kept = 1;
      const waiting = urgent ? hurried : others;
      if (hasRoom(urgent)) {
        inside += 1;
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const timer = clock.setTimer(maxWaitMs, () => {
          waiting.delete(comeIn);
          reject(refusal());
        });
        const comeIn = (): void => {
          timer.cancel();
          resolve();
        };
        waiting.add(comeIn);
      });
    },
    leave: () => {
      inside -= 1;
      const waiting = hurried.size > 0 ? hurried : others;
      const [next] = waiting;
      if (next === undefined || !hasRoom(waiting === hurried)) return;
      waiting.delete(next);
      inside += 1;
      next();
    },
  };
}
