import type { Clock } from '@paystream/core';

/** Keeps values for a short time, at most so many. */
export interface ShortCache<T> {
  /** The value, unless its time is over. */
  get(key: string): T | undefined;
  set(key: string, value: T): void;
  delete(key: string): void;
}

/** A bounded cache: the value kept longest goes first. */
export function createShortCache<T>(clock: Clock, keepMs: number, maxEntries: number): ShortCache<T> {
  const entries = new Map<string, { readonly value: T; readonly untilMs: number }>();
  return {
    get: (key) => {
      const entry = entries.get(key);
      return entry === undefined || entry.untilMs <= clock.monotonic() ? undefined : entry.value;
    },
    set: (key, value) => {
      if (keepMs <= 0) return;
      entries.delete(key);
      entries.set(key, { value, untilMs: clock.monotonic() + keepMs });
      if (entries.size <= maxEntries) return;
      for (const oldest of entries.keys()) {
        entries.delete(oldest);
        break;
      }
    },
    delete: (key) => {
      entries.delete(key);
    },
  };
}
