import type { IncomingMessage } from '../../broker/port.ts';
import type { StoredMessage } from './entry.ts';

/** A message that was handed to a consumer. `C` stands for the consumer. */
export class Delivered<C> implements IncomingMessage {
  readonly id: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly key: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly eventTimeMs: number | undefined;
  readonly publishTimeMs: number;
  readonly redeliveryCount: number;
  // Private, so that who prints or copies a message does not get the consumer with it.
  readonly #consumer: C;
  readonly #epoch: number;

  constructor(stored: StoredMessage, topic: string, redeliveryCount: number, consumer: C, epoch: number) {
    this.id = String(stored.sequence);
    this.topic = topic;
    this.payload = stored.payload;
    this.key = stored.key;
    this.properties = stored.properties;
    this.eventTimeMs = stored.eventTimeMs;
    this.publishTimeMs = stored.publishTimeMs;
    this.redeliveryCount = redeliveryCount;
    this.#consumer = consumer;
    this.#epoch = epoch;
  }

  get consumer(): C {
    return this.#consumer;
  }

  /** The epoch of its subscription in which a message was delivered; `undefined` for a copy that somebody made. */
  static epochOf(message: IncomingMessage): number | undefined {
    return #epoch in message ? message.#epoch : undefined;
  }
}
