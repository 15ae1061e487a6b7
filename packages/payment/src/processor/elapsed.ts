import type { Clock } from '@paystream/core';

/** Resolves after a time, or when the promise settles, so that no timer is left. */
export function elapsed(clock: Clock, delayMs: number, unless: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(Math.max(0, delayMs), resolve);
    const cancel = (): void => timer.cancel();
    void unless.then(cancel, cancel);
  });
}
