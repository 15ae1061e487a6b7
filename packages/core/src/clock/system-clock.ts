import type { Clock, ClockTimer } from './port.ts';
import { sleepOn } from './sleep.ts';

const longest = 2 ** 31 - 1;

function setTimer(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): ClockTimer {
  // The platform fires a timer of more than 2^31-1 ms at once: such a one is set in parts.
  let left = Math.max(0, delayMs);
  let handle: ReturnType<typeof setTimeout>;
  const arm = (): void => {
    const part = Math.min(left, longest);
    left -= part;
    handle = setTimeout(left > 0 ? arm : callback, part);
    if (options?.unref) handle.unref();
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer,
  sleep: (delayMs, signal) => sleepOn({ setTimer }, delayMs, signal),
};
