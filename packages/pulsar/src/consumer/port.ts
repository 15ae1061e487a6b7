import type { AcknowledgeOptions, Message, NegativeAcknowledgeOptions } from '../message/message.ts';
import type { MessageId } from '../message/message-id.ts';
import type { SeekPosition } from './cursor.ts';
import type { SubscriptionOptions } from './options.ts';
import type { ConsumerRun, MessageHandler, RunOptions } from './runner.ts';

/** Which topics a consumer receives from: one, several, or all of a namespace whose names match a pattern. */
export type TopicSelection =
  | { readonly topic: string; readonly topics?: undefined; readonly topicsPattern?: undefined }
  | { readonly topics: readonly string[]; readonly topic?: undefined; readonly topicsPattern?: undefined }
  | (TopicsPatternOptions & { readonly topic?: undefined; readonly topics?: undefined });

/** Topics by a pattern, those that come into being later included. */
export interface TopicsPatternOptions {
  /**
   * A regular expression over `tenant/namespace/topic`, of which tenant and namespace are plain text:
   * `public/default/orders-.*`; without them `public/default` is meant. It has to match the whole name.
   */
  readonly topicsPattern: string | RegExp;
  /** Which topics. Default: `persistent`. */
  readonly topicsDomain?: 'persistent' | 'non-persistent' | 'all';
  /** How often topics are looked for where the broker does not tell of new ones, in milliseconds. Default: 60,000. */
  readonly patternUpdateMs?: number;
}

/** Options of `client.subscribe`. */
export type ConsumerOptions<T = Buffer> = TopicSelection & SubscriptionOptions<T>;

/** How long to wait for a message. */
export interface ReceiveOptions {
  /** Aborting it rejects with `CANCELED`. */
  readonly signal?: AbortSignal | undefined;
  /** After so many milliseconds the outcome is `undefined`; 0: at once. Default: no limit. */
  readonly timeoutMs?: number | undefined;
}

/** How much to wait for. */
export interface ReceiveBatchOptions {
  /** At most so many messages. Default: no limit. */
  readonly maxMessages?: number;
  /** At most so many bytes of content, but at least one message. Default: 10,485,760 (10 MiB). */
  readonly maxBytes?: number;
  /** Resolves as soon as so many are there. Default: `maxMessages`. */
  readonly minMessages?: number;
  /** After so many milliseconds it resolves with what is there, maybe nothing; 0: at once. Default: 100. */
  readonly timeoutMs?: number;
  /** Aborting it rejects with `CANCELED`; no message is lost by that. */
  readonly signal?: AbortSignal | undefined;
}

/** How a message is consumed later. */
export interface ReconsumeOptions {
  /** Not before so many milliseconds from now. Default: 0. */
  readonly delayMs?: number;
  /** Properties to add to those of the message. Default: none. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** What an acknowledgement names: a message, or its id. */
export type Acknowledgeable = Message<unknown> | MessageId;

/**
 * Receives messages through a subscription. Delivery is at least once. Reconnects by itself for as long as it is open and the broker
 * takes it back; see `onFailed` of its events.
 *
 * Iterating over it receives until it is closed:
 * ```ts
 * for await (const message of consumer) {
 *   await store(message.value);
 *   await message.acknowledge();
 * }
 * ```
 */
export interface Consumer<T = Buffer> extends AsyncDisposable, AsyncIterable<Message<T>> {
  /** The subscription’s name. */
  readonly subscription: string;
  /** The consumer’s name, as the broker’s statistics show it. */
  readonly name: string;
  /** Full names of the topics, partitions included, that it receives from now. */
  readonly topics: readonly string[];
  /** Whether it is subscribed to all of them now. */
  readonly connected: boolean;
  /** Whether it is paused. */
  readonly paused: boolean;

  /** The next message, as soon as there is one. Several may wait; they are served in turn. Rejects with `ALREADY_CLOSED` once closed. */
  receive(options?: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: undefined }): Promise<Message<T>>;
  /** The same within a time; `undefined` if none came. */
  receive(options: ReceiveOptions): Promise<Message<T> | undefined>;
  /** Several messages at once, maybe of several topics. */
  receiveBatch(options?: ReceiveBatchOptions): Promise<Message<T>[]>;
  /** Handles messages as they come, several at a time. See {@link RunOptions}. */
  run(handler: MessageHandler<T>, options?: RunOptions<T>): ConsumerRun;

  /**
   * Marks messages as done: they are not delivered again. Resolves at once, or with `ackReceipt` when the broker has stored it.
   * Messages of a batch count as a whole, unless `batchIndexAck` is on: it is done when all of them are. After a seek,
   * acknowledging what was received before does nothing.
   */
  acknowledge(what: Acknowledgeable | readonly Acknowledgeable[], options?: AcknowledgeOptions): Promise<void>;
  /** Marks everything up to and with a message of one topic or partition as done. Rejects with `NOT_ALLOWED` on shared and key-shared subscriptions. */
  acknowledgeCumulative(what: Acknowledgeable, options?: AcknowledgeOptions): Promise<void>;
  /**
   * Gives a message back, to be delivered again after a delay. On exclusive and failover subscriptions everything that is not
   * acknowledged comes again with it; of a batch all that is not acknowledged does. Does nothing after an acknowledgement.
   */
  negativeAcknowledge(what: Acknowledgeable, options?: NegativeAcknowledgeOptions): void;
  /**
   * Puts a message away to be consumed later, and acknowledges it: it comes again from the retry topic, or, once that happened
   * too often, goes to the dead-letter topic. Needs `retryLetter`; rejects with `NOT_ALLOWED` without.
   */
  reconsumeLater(message: Message<T>, options?: ReconsumeOptions): Promise<void>;
  /** Asks for everything again that was received and is not acknowledged. */
  redeliverUnacknowledged(): void;

  /**
   * Moves the cursor, for all consumers of the subscription: `earliest`, `latest` and a time in every topic, a message id in
   * the topic that it is of; of an id that was kept as text or bytes, in the partition that it names. What is received next lies behind a message id; with `inclusive`, the message itself comes first.
   * What was received before counts as not received. One at a time: rejects with `UNAVAILABLE` while another one is under way.
   */
  seek(position: SeekPosition, options?: { readonly inclusive?: boolean }): Promise<void>;
  /** Ids of the last messages of all topics that have any. */
  lastMessageIds(): Promise<readonly MessageId[]>;
  /** How many messages of the subscription are not acknowledged, delivered or not. */
  backlog(): Promise<number>;
  /** Asks for no more messages; what is on its way still comes. */
  pause(): void;
  /** Asks for messages again after `pause`. */
  resume(): void;

  /**
   * Removes the subscription with its cursor, and closes. Rejects with `CONSUMER_BUSY` if there are other consumers, unless
   * forced: then goes on to receive from the topics whose subscription is still there.
   */
  unsubscribe(options?: { readonly force?: boolean }): Promise<void>;
  /** Sends collected acknowledgements, and closes; whoever waits gets `ALREADY_CLOSED`. The subscription stays. Idempotent. */
  close(): Promise<void>;
}
