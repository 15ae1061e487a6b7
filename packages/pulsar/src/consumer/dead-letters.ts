import { PulsarError } from '../errors/pulsar-error.ts';
import type { Entry } from '../message/entry.ts';
import type { MessageSource, ReceivedMessage } from '../message/message.ts';
import { keyOf, type Redeliverable } from './redelivery.ts';

/** Options of {@link DeadLetters}. */
export interface DeadLetterHooks<T> {
  /** How many times a message is delivered again. */
  readonly maxRedeliveries: number;
  /** Sends a message to the dead-letter topic. */
  readonly send: (message: ReceivedMessage<T>) => Promise<void>;
  /** Its messages are all there: it is never to be delivered again. */
  readonly acknowledge: (entry: Entry<MessageSource<T>>) => void;
  /** They could not be sent: to be delivered again some time. */
  readonly giveBack: (entry: Entry<MessageSource<T>>) => void;
  readonly onError: (error: PulsarError) => void;
}

/** Sends messages to the dead-letter topic that were delivered too often and given back once more. */
export class DeadLetters<T> {
  readonly #hooks: DeadLetterHooks<T>;
  /** What may not be delivered again, by entry. */
  readonly #last = new Map<string, readonly ReceivedMessage<T>[]>();
  readonly #sending = new Set<string>();

  constructor(hooks: DeadLetterHooks<T>) {
    this.#hooks = hooks;
  }

  /** Looks at messages that came. Returns whether they are to be delivered; else they are on their way to the dead-letter topic. */
  admit(entry: Entry<MessageSource<T>>, messages: readonly ReceivedMessage<T>[]): boolean {
    if (entry.redeliveryCount < this.#hooks.maxRedeliveries) return true;
    // A copy: whoever takes them in empties the list.
    this.#last.set(keyOf(entry), messages.slice());
    return entry.redeliveryCount === this.#hooks.maxRedeliveries || !this.divert(entry);
  }

  /** Takes over an entry that is to be delivered again, if it may not be. */
  divert(entry: Redeliverable): boolean {
    const key = keyOf(entry);
    const messages = this.#last.get(key);
    if (messages === undefined) return this.#sending.has(key);
    this.#last.delete(key);
    this.#sending.add(key);
    this.#sendAll(messages)
      .catch((error: unknown) => this.#hooks.onError(typed(error)))
      .finally(() => this.#sending.delete(key));
    return true;
  }

  async #sendAll(messages: readonly ReceivedMessage<T>[]): Promise<void> {
    const [first] = messages;
    if (first === undefined) return;
    try {
      await Promise.all(messages.filter((message) => !message.entry.isAcknowledged(message.batchIndex)).map(this.#hooks.send));
    } catch (error) {
      this.#hooks.giveBack(first.entry);
      throw error;
    }
    this.#hooks.acknowledge(first.entry);
  }

  /** The entry is done with. */
  acknowledged(entry: Redeliverable): void {
    if (this.#last.size > 0) this.#last.delete(keyOf(entry));
  }

  /** Everything comes again, and is counted again. */
  clear(): void {
    this.#last.clear();
  }
}

function typed(error: unknown): PulsarError {
  return PulsarError.is(error)
    ? error
    : new PulsarError('BROKER', 'a message could not be sent to the dead-letter topic', { cause: error });
}
