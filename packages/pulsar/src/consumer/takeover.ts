/**
 * How long a consumer that has become the active one waits for its first message before it asks, in milliseconds: longer than
 * the second for which a broker lets the one before it finish.
 */
const FIRST_MESSAGE_MS = 2_000;

/** How often it asks at most; each time it waits twice as long as before, the last time until a minute after it began. */
const ASKS = 5;

/**
 * Asks for everything again when a consumer has become the active one of a failover subscription and nothing comes. A broker
 * that hands over while a read of the consumer before is waiting may go on waiting for new messages and leave the backlog where it
 * is, until the next message is published (https://github.com/apache/pulsar/issues/26164; seen with 4.0.7). One that is busy may
 * do so after it was asked, too.
 */
export class Takeover {
  readonly #ask: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  /** It is the active one from now on. */
  begin(): void {
    this.end();
    this.#wait(FIRST_MESSAGE_MS, ASKS);
  }

  /** Something came, or it is not the active one any more. */
  end(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(delayMs: number, asks: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (asks > 1) this.#wait(delayMs * 2, asks - 1);
      this.#ask();
    }, delayMs);
    this.#timer.unref();
  }
}
