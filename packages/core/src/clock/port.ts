/** A timer that was set and may be stopped. */
export interface ClockTimer {
  /** Stops it; nothing happens if it has fired or was stopped. */
  cancel(): void;
}

/**
 * The only source of time. The system clock is the default everywhere; tests pass a virtual one and advance it.
 */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. May go back when the machine's clock is set. */
  now(): number;
  /** Milliseconds since an arbitrary moment; never goes back. For measuring. */
  monotonic(): number;
  /** Calls back once after `delayMs` milliseconds. A timer holds the process open unless `unref` is set. */
  setTimer(delayMs: number, callback: () => void, options?: { readonly unref?: boolean }): ClockTimer;
  /** Resolves after `delayMs` milliseconds; rejects with the signal's reason as soon as it is aborted. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}
