import type { Entry } from '../message/entry.ts';
import type { MessageSource, ReceivedMessage } from '../message/message.ts';
import type { TopicDecoder } from '../schema/topic-decoder.ts';

/** Messages of an entry. */
interface Delivery<T> {
  readonly entry: Entry<MessageSource<T>>;
  readonly messages: ReceivedMessage<T>[];
}

/** Holds messages back, and those behind them, until the schema that they were written with is there. */
export class SchemaGate<T> {
  readonly #decoder: TopicDecoder<T>;
  readonly #pass: (entry: Entry<MessageSource<T>>, messages: ReceivedMessage<T>[]) => void;
  #held: Delivery<T>[] = [];
  #opening = false;

  constructor(decoder: TopicDecoder<T>, pass: (entry: Entry<MessageSource<T>>, messages: ReceivedMessage<T>[]) => void) {
    this.#decoder = decoder;
    this.#pass = pass;
  }

  put(entry: Entry<MessageSource<T>>, messages: ReceivedMessage<T>[]): void {
    if (this.#held.length === 0 && this.#decoder.prepare(entry.metadata.schemaVersion) === undefined) {
      this.#pass(entry, messages);
      return;
    }
    this.#held.push({ entry, messages });
    // The decoder's promise never rejects, and passing messages on does not throw.
    if (!this.#opening) void this.#open();
  }

  async #open(): Promise<void> {
    this.#opening = true;
    try {
      for (;;) {
        const [next] = this.#held;
        if (next === undefined) return;
        await this.#decoder.prepare(next.entry.metadata.schemaVersion);
        // Meanwhile it may have been taken out.
        if (this.#held[0] !== next) continue;
        this.#held.shift();
        this.#pass(next.entry, next.messages);
      }
    } finally {
      this.#opening = false;
    }
  }

  /** Takes out what matches. Returns how many messages those are. */
  remove(matches: (entry: Entry<MessageSource<T>>) => boolean): number {
    let removed = 0;
    this.#held = this.#held.filter(({ entry, messages }) => {
      if (!matches(entry)) return true;
      removed += messages.length;
      return false;
    });
    return removed;
  }
}
