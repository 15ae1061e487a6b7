/**
 * How long a consumer that has become the active one waits for its first message before it asks, in milliseconds: longer than
 * the second for which a broker lets the one before it finish.
 */
const FIRST_MESSAGE_MS = 2_000;

/**
 * Asks once for everything again when a consumer has become the active one of a failover subscription and nothing comes. A broker
 * that hands over while a read of the consumer before is waiting may go on waiting for new messages and leave the backlog where it
 * is, until the next message is published (https://github.com/apache/pulsar/issues/26164; seen with 4.0.7).
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
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#ask();
    }, FIRST_MESSAGE_MS);
    this.#timer.unref();
  }

  /** Something came, or it is not the active one any more. */
  end(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
