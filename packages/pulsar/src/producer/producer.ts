import type { MessageId } from '../message/message-id.ts';
import type { ValueEncoder } from '../schema/port.ts';
import type { Payload, ProducerMessage } from './message.ts';

/**
 * - `connecting`: the broker has not taken it yet, or the connection was lost: what is sent waits.
 * - `ready`: connected.
 * - `fenced`: another producer took the topic for itself. Over.
 * - `terminated`: the topic takes no more messages. Over.
 * - `failed`: the broker refused it for good: the topic is gone, say. Over.
 * - `closing`, `closed`: by the application.
 */
export type ProducerState = 'connecting' | 'ready' | 'fenced' | 'terminated' | 'failed' | 'closing' | 'closed';

/**
 * Publishes messages to one topic. The broker stores the messages of a partition in the order of the calls to `send`. When the
 * connection is lost, what the broker has not confirmed is sent again, in order: a message may then be stored twice, unless
 * the broker drops duplicates.
 */
export interface Producer<T = Payload> extends AsyncDisposable {
  /** The full name. */
  readonly topic: string;
  /** As given, or as the broker chose it. */
  readonly name: string;
  /** Of a partitioned topic: the one of the partition that is worst off. */
  readonly state: ProducerState;
  /** The highest sequence id that the broker has confirmed, from earlier runs too where it drops duplicates; -1 if there is none. */
  readonly lastSequenceId: number;
  /** Messages that were sent and are not confirmed. */
  readonly pendingMessages: number;
  /** How many partitions the topic has; 0 if it is not partitioned. */
  readonly partitions: number;
  /**
   * Sends a message, or bytes or text as the value of one, and resolves once the broker has stored it. The bytes of a value are
   * not to be changed before that. The id is -1:-1 if the broker dropped the message as a duplicate.
   *
   * Rejects with `INVALID_ARGUMENT`, `INVALID_MESSAGE`, `QUEUE_FULL`, `MEMORY_LIMIT`, `MESSAGE_TOO_LARGE`, `TIMEOUT`,
   * `TOPIC_TERMINATED`, `PRODUCER_FENCED`, `QUOTA_EXCEEDED`, `NOT_ALLOWED`, `ALREADY_CLOSED`, or what the transaction says.
   *
   * @example
   * ```ts
   * const id = await producer.send({ value: 'hello', key: 'user-7', properties: { source: 'web' } });
   * ```
   */
  send(message: ProducerMessage<T> | (T & Payload)): Promise<MessageId>;
  /** The same for a value of another schema than the producer's. Rejects with `INCOMPATIBLE_SCHEMA` too. */
  send<Other>(message: ProducerMessage<Other> & { readonly schema: ValueEncoder<Other> }): Promise<MessageId>;
  /** Sends what is gathered for a batch. Resolves once everything sent so far is settled; rejects with the first failure among what had been put on its way. */
  flush(): Promise<void>;
  /**
   * Takes nothing more, waits for what is on its way to be confirmed, as long as the broker can be reached and at most the
   * operation time-out, rejects the rest with `ALREADY_CLOSED`, and tells the broker. Idempotent.
   */
  close(): Promise<void>;
}
