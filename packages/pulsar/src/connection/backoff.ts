/**
 * The longest delay between tries, in milliseconds. The official clients go up to 60,000: after an outage of a minute whoever
 * waits then notices up to a minute late that the broker is back. A try is one small request, and the delays of clients spread
 * at random; so a broker bears this, and everything moves again within seconds.
 */
export const MAX_BACKOFF_MS: number = 5_000;

/** Options of {@link createBackoff}, in milliseconds. */
export interface BackoffOptions {
  /** The first delay, and the least one. Default: 100. */
  readonly initialMs?: number;
  /** Default: 5,000. */
  readonly maxMs?: number;
  /**
   * Where a delay would reach beyond so much time since the first, it ends exactly there, once: the try shortly before
   * something is given up. Default: none.
   */
  readonly stopMs?: number;
  /** Numbers from 0 to less than 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/** Delays between tries that grow. */
export interface Backoff {
  /** The next delay in milliseconds: twice the one before, less up to a tenth at random so that many do not come at once. */
  next(): number;
  /** Starts over: what was tried has worked. */
  reset(): void;
}

/** Delays that double from `initialMs` to `maxMs`. */
export function createBackoff(options: BackoffOptions = {}): Backoff {
  const { initialMs = 100, maxMs = MAX_BACKOFF_MS, stopMs, random = Math.random } = options;
  let nextMs = initialMs;
  let elapsedMs = 0;
  let stopped = false;

  function next(): number {
    let delayMs = Math.min(nextMs, maxMs);
    nextMs = Math.min(nextMs * 2, maxMs);
    if (stopMs !== undefined && !stopped && elapsedMs + delayMs > stopMs) {
      stopped = true;
      delayMs = Math.max(initialMs, stopMs - elapsedMs);
    } else {
      delayMs = Math.max(Math.min(initialMs, maxMs), delayMs - delayMs * random() * 0.1);
    }
    elapsedMs += delayMs;
    return delayMs;
  }

  function reset(): void {
    nextMs = initialMs;
    elapsedMs = 0;
    stopped = false;
  }

  return { next, reset };
}
