import type { MemoryBudget } from './context.ts';

interface Waiter {
  readonly bytes: number;
  readonly resolve: () => void;
}

/** A budget of so many bytes; 0 means no limit. Who waits is served in turn. */
export function createMemoryBudget(limitBytes: number): MemoryBudget {
  const limit = limitBytes === 0 ? Number.POSITIVE_INFINITY : limitBytes;
  const waiting = new Set<Waiter>();
  let used = 0;

  // More than the whole limit is let through when nothing else is held: it would wait for ever.
  const fits = (bytes: number): boolean => used + bytes <= limit || used === 0;

  function serve(): void {
    for (const waiter of waiting) {
      if (!fits(waiter.bytes)) return;
      waiting.delete(waiter);
      used += waiter.bytes;
      waiter.resolve();
    }
  }

  function wait(bytes: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (waiting.size === 0 && fits(bytes)) {
      used += bytes;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        waiting.delete(waiter);
        reject(signal?.reason);
        serve();
      };
      const waiter: Waiter = {
        bytes,
        resolve: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      waiting.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  return {
    limitBytes,
    get usedBytes() {
      return used;
    },
    tryTake(bytes) {
      if (waiting.size > 0 || !fits(bytes)) return false;
      used += bytes;
      return true;
    },
    take(bytes) {
      used += bytes;
    },
    give(bytes) {
      used -= bytes;
      if (waiting.size > 0) serve();
    },
    wait,
  };
}
