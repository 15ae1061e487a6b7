/**
 * How long a consumer whose turn it is waits for its first message before it asks, in milliseconds: longer than the second for which
 * a broker lets the one before it finish.
 */
const FIRST_MESSAGE_MS = 2_000;

/** How often it asks at most; each time it waits twice as long as before, the last time until a minute after it began. */
const ASKS = 5;

/**
 * Asks for everything again when the one consumer to which a subscription gives its messages has begun, and nothing comes. A broker
 * of 4.0 may have a read of the consumer before it under way still, which then waits for the end of the topic, and leave the
 * backlog where it is until the next message is published: when it hands a failover subscription over
 * (https://github.com/apache/pulsar/issues/26164), and when a cursor is moved just after its consumer has come. One that is busy may do so
 * after it was asked, too.
 */
export class FirstMessage {
  readonly #ask: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  /** Messages are to come from now on. */
  expect(): void {
    this.end();
    this.#wait(FIRST_MESSAGE_MS, ASKS);
  }

  /** One came, or none is to come any more. */
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
