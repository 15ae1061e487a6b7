import type { IncomingMessage, MessageId } from '../broker/port.ts';
import type { Held } from './holding.ts';

/** What a message holds, whatever its client calls it. */
export interface Content {
  readonly payload: Uint8Array;
  readonly key: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly eventTimeMs: number | undefined;
  readonly publishTimeMs: number;
}

/** One delivery of a message. */
export class Received implements IncomingMessage {
  readonly id: MessageId;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly key: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly eventTimeMs: number | undefined;
  readonly publishTimeMs: number;
  readonly redeliveryCount: number;
  readonly #held: Held<unknown> | undefined;

  /** `topic`: the name that the user gave. `held`: what stands for it until it is acknowledged; none of a reader's. */
  constructor(content: Content, topic: string, id: MessageId, redeliveryCount: number, held?: Held<unknown>) {
    this.id = id;
    this.topic = topic;
    this.payload = content.payload;
    this.key = content.key;
    this.properties = content.properties;
    this.eventTimeMs = content.eventTimeMs;
    this.publishTimeMs = content.publishTimeMs;
    this.redeliveryCount = redeliveryCount;
    this.#held = held;
  }

  /** What a delivery is of; `undefined` for an object that is none. */
  static heldOf(message: IncomingMessage): Held<unknown> | undefined {
    return #held in message ? message.#held : undefined;
  }
}
