import type { Clock } from '../clock/port.ts';

/** Lets so many in at a time; the others wait in line. */
export interface WaitingLine {
  /** Resolves when there is a place. Rejects when that takes too long; whoever was told so has no place, and never gets one. */
  enter(): Promise<void>;
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
  const waiting = new Set<() => void>();
  let inside = 0;
  return {
    enter: () => {
      if (inside < places) {
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
      const [next] = waiting;
      if (next === undefined) {
        inside -= 1;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}
