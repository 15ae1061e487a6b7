import type { MessageId } from '../message/message-id.ts';
import type { ValueEncoder } from '../schema/port.ts';
import { type Payload, type ProducerMessage, prepare } from './message.ts';
import type { Producer, ProducerState } from './producer.ts';
import { SendRoom } from './send-room.ts';
import { TopicProducer, type TopicProducerOptions } from './topic-producer.ts';

/** Produces to a topic without partitions, or to one partition alone. */
export class PlainProducer<T> implements Producer<T> {
  readonly topic: string;
  readonly partitions = 0;
  readonly #encoder: ValueEncoder<T>;
  readonly #room: SendRoom;
  readonly #producer: TopicProducer;
  readonly #forget: () => void;

  constructor(options: Omit<TopicProducerOptions, 'room' | 'schema'>, encoder: ValueEncoder<T>) {
    this.topic = options.topic;
    this.#encoder = encoder;
    this.#room = new SendRoom(options.settings.maxPendingMessages, options.context.memory);
    this.#producer = new TopicProducer({ ...options, schema: encoder.info, room: this.#room });
    this.#forget = options.context.onClose(() => this.close());
  }

  get name(): string {
    return this.#producer.name;
  }

  get state(): ProducerState {
    return this.#producer.state;
  }

  get lastSequenceId(): number {
    return this.#producer.lastSequenceId;
  }

  get pendingMessages(): number {
    return this.#room.messages;
  }

  /** Makes it known to the broker. */
  open(signal: AbortSignal | undefined): Promise<void> {
    return this.#producer.open(signal);
  }

  send(message: ProducerMessage<T> | (T & Payload)): Promise<MessageId> {
    try {
      return this.#producer.send(prepare(message, this.#encoder));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  flush(): Promise<void> {
    return this.#producer.flush();
  }

  close(): Promise<void> {
    this.#forget();
    return this.#producer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
