/** Options of {@link SendTimeout}. */
export interface SendTimeoutOptions {
  /** In milliseconds; 0: never. */
  readonly timeoutMs: number;
  /** When the oldest message was taken that is not confirmed, by the clock of `performance.now()`; `undefined`: there is none. */
  readonly oldest: () => number | undefined;
  readonly onTimeout: () => void;
}

/** One timer for all messages of a producer. It runs whether the broker can be reached or not, and only while something is pending. */
export class SendTimeout {
  readonly #options: SendTimeoutOptions;
  readonly #onTime = (): void => this.#check();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SendTimeoutOptions) {
    this.#options = options;
  }

  /** A message was taken. */
  start(): void {
    const { timeoutMs } = this.#options;
    if (this.#timer === undefined && timeoutMs > 0) this.#timer = setTimeout(this.#onTime, timeoutMs).unref();
  }

  #check(): void {
    const { timeoutMs, oldest, onTimeout } = this.#options;
    this.#timer = undefined;
    const since = oldest();
    if (since === undefined) return;
    // Timers may fire a part of a millisecond early.
    const leftMs = Math.ceil(since + timeoutMs - performance.now());
    if (leftMs > 0) this.#timer = setTimeout(this.#onTime, leftMs).unref();
    else onTimeout();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
