import type { Message } from '@paystream/pulsar';
import type { IncomingMessage, MessageId } from '../broker/port.ts';
import type { Held } from './holding.ts';

/** What a held message is of. */
export type HeldMessage = Held<Message>;

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
  readonly #held: HeldMessage | undefined;

  /** `topic`: the name that the user gave. `held`: what stands for it until it is acknowledged; none of a reader's. */
  constructor(message: Message, topic: string, id: MessageId, redeliveryCount: number, held?: HeldMessage) {
    this.id = id;
    this.topic = topic;
    this.payload = message.data;
    this.key = message.key;
    this.properties = message.properties;
    this.eventTimeMs = message.eventTimeMs;
    this.publishTimeMs = message.publishTimeMs;
    this.redeliveryCount = redeliveryCount;
    this.#held = held;
  }

  /** What a delivery is of; `undefined` for an object that is none. */
  static heldOf(message: IncomingMessage): HeldMessage | undefined {
    return #held in message ? message.#held : undefined;
  }
}
