import type { SeekPosition } from '../consumer/cursor.ts';
import type { ConsumerEvents } from '../consumer/options.ts';
import type { ReceiveBatchOptions, ReceiveOptions } from '../consumer/port.ts';
import type { Message } from '../message/message.ts';
import type { MessageId } from '../message/message-id.ts';
import type { ValueDecoder } from '../schema/port.ts';

/** Options of `client.createReader`. */
export interface ReaderOptions<T = Buffer> {
  /** `name`, `tenant/namespace/name`, or with `persistent://` in front; with all its partitions. */
  readonly topic: string;
  /** Where to begin: with the first message, behind the last one, behind a message, or with the first one published at a time or later. Default: `latest`. */
  readonly start?: SeekPosition;
  /** Whether the message whose id `start` is comes too. Default: `false`. */
  readonly startInclusive?: boolean;
  /** Name of the reader in statistics. Default: a random one. */
  readonly name?: string;
  /** What the name of its subscription begins with: `<prefix>-reader-<random>`. Default: `reader-<random>`. */
  readonly subscriptionRolePrefix?: string;
  /** Decodes values, and is registered with the topic. Default: bytes. */
  readonly schema?: ValueDecoder<T>;
  /** How many messages are asked for in advance, of each partition; at least 1. Default: 1,000. */
  readonly receiverQueueSize?: number;
  /** Whether only the last message of each key is read from what was compacted. Default: `false`. */
  readonly readCompacted?: boolean;
  /** How many messages in chunks are put together at once. Default: 10. */
  readonly maxPendingChunkedMessages?: number;
  /** How often the number of partitions is asked for, in milliseconds. Default: 60,000. */
  readonly partitionsUpdateMs?: number;
  /** Told of what happens to this reader. Default: nobody. */
  readonly events?: ConsumerEvents;
}

/**
 * Reads a topic without a subscription that outlives it: every reader gets every message, and where it stands is its own
 * affair. Goes on behind the last message it handed out when a connection is lost: nothing is missed and nothing seen twice, as
 * long as the topic still keeps it.
 *
 * @example
 * ```ts
 * await using reader = await client.createReader({ topic: 'events', start: 'earliest' });
 * while (await reader.hasMessageAvailable()) print((await reader.readNext()).value);
 * ```
 */
export interface Reader<T = Buffer> extends AsyncDisposable, AsyncIterable<Message<T>> {
  /** Full name. */
  readonly topic: string;
  /** Whether it is connected to every partition now. */
  readonly connected: boolean;
  /** The next message, as soon as there is one. Rejects with `ALREADY_CLOSED` once closed. */
  readNext(options?: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: undefined }): Promise<Message<T>>;
  /** The same within a time; `undefined` if none came. */
  readNext(options: ReceiveOptions): Promise<Message<T> | undefined>;
  /** The same as `readNext`, as consumers call it. */
  receive(options?: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: undefined }): Promise<Message<T>>;
  /** The same within a time; `undefined` if none came. */
  receive(options: ReceiveOptions): Promise<Message<T> | undefined>;
  /** Several messages at once. */
  receiveBatch(options?: ReceiveBatchOptions): Promise<Message<T>[]>;
  /** Whether there is a message in the topic behind the last one that was read. */
  hasMessageAvailable(): Promise<boolean>;
  /** Goes elsewhere: what is read next lies behind a message id; with `inclusive`, the message itself comes first. */
  seek(position: SeekPosition, options?: { readonly inclusive?: boolean }): Promise<void>;
  /** Ids of the last messages of the topic, or of all its partitions that have any. */
  lastMessageIds(): Promise<readonly MessageId[]>;
  /** Whoever waits gets `ALREADY_CLOSED`. Idempotent. */
  close(): Promise<void>;
}
