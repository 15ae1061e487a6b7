import type { MessageId, SubscriptionType } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import type { Running } from '../lifecycle/port.ts';
import type { Logger } from '../logger/port.ts';
import type { Random } from '../random/port.ts';
import type { Telemetry } from '../telemetry/port.ts';
import type { Envelope } from '../topic/envelope.ts';

/** A decoded message with all that is known of it. */
export interface Delivery<T> extends Envelope {
  /** The message, decoded. */
  readonly value: T;
  /** The topic that it came from. */
  readonly topic: string;
  /** Where it stands in its topic. */
  readonly messageId: MessageId;
  /** What its order is kept by; `undefined` if the topic has no key. */
  readonly key: string | undefined;
  /** What travelled with it, the envelope’s properties included. */
  readonly properties: Readonly<Record<string, string>>;
  /** When the broker took it, in milliseconds since the epoch. */
  readonly publishTimeMs: number;
  /** 1 the first time that a handler sees it, then one more with each retry. */
  readonly attempt: number;
}

/** What a handler gets beside the message. */
export interface HandlerContext {
  /** Aborted when the handler's time is up or the consumer's stop deadline has passed. */
  readonly signal: AbortSignal;
}

/**
 * What happens when a handler throws. `UNAVAILABLE` never counts as an attempt: the consumer pauses and tries again. Nor do `ABORTED`,
 * such as a row that another transaction holds, and `RESOURCE_EXHAUSTED`, as long as they are `retryable`: the key of the message waits,
 * with growing waits of at most `maxDelayMs` and for `maxPostponedMs` in all, while others go on, as far as `maxInFlight` has places left.
 * With `retryable: false`, as a request that is too large has it, they are attempts like any. What a broker says of the one topic that
 * the handler publishes to (`TOPIC_NOT_FOUND`, `TOPIC_TERMINATED`, `PULSAR_NOT_AUTHORIZED`) is waited for in the same way.
 * What fails because it was closed before the consumer, or with `CANCELED` while the consumer stops, is no attempt: the message comes
 * again. On a consumer that runs, a handler that cancels its own work uses up an attempt.
 */
export interface RetryPolicy {
  /**
   * `in-lane`: the key waits until the message succeeds or is dead-lettered; order is kept. `topic`: the message is published
   * again with a delay, and others of its key overtake it; needs `delayedDelivery`. One too large to be published with what tells of
   * its attempts is given back to the broker instead. Default: `in-lane`.
   */
  readonly mode?: 'in-lane' | 'topic';
  /** How often the handler is called in all before the message goes to the dead-letter topic. Default: 5. */
  readonly attempts?: number;
  /** The first wait, in milliseconds; doubles with each attempt, with jitter of up to a half. Default: 100. */
  readonly delayMs?: number;
  /** The longest wait, in milliseconds. Default: 30,000. */
  readonly maxDelayMs?: number;
  /**
   * How long a message waits in all for what is taken, in milliseconds; what it fails with after that counts as an attempt, and leads to
   * the dead-letter topic. `Infinity`: no limit. To be longer than any lock that a server holds for a client that vanished; a consumer
   * that is started anew counts from 0. Default: 3,600,000, an hour.
   */
  readonly maxPostponedMs?: number;
}

interface CommonConsumerOptions {
  /** The durable subscription's name. */
  readonly subscription: string;
  /** Default: `key-shared`. */
  readonly type?: SubscriptionType;
  /** Where a new subscription begins. Default: `earliest`. */
  readonly initialPosition?: 'earliest' | 'latest';
  /** Default: in the lane, 5 attempts, 100 ms to 30 s apart. */
  readonly retry?: RetryPolicy;
  /**
   * What something means that a handler threw, such as an error of a driver of yours. What it calls `UNAVAILABLE` is waited for and uses
   * up no attempt; see {@link RetryPolicy}. `mysqlErrorOf` of `@paystream/core/mysql` knows mysql2, Kysely, Drizzle and Prisma. Not
   * called for a `PaystreamError`. Default: `PaystreamError.from`, to which it is `INTERNAL`.
   */
  readonly errorOf?: (thrown: unknown) => PaystreamError;
  /** Where messages go that do not decode or fail for good. Default: `<topic>-<subscription>-dlq`. */
  readonly deadLetterTopic?: string;
  /**
   * The durable subscription of that topic that they are kept for until it has acknowledged them. It is made if it is not there; where
   * that is refused they are published without it, and an error is logged. Name the one that reads the topic if there is one: for
   * another one letters would pile up. `false`: none is made. Default: `dead-letters`.
   */
  readonly deadLetterSubscription?: string | false;
  /** At most so many messages received and not settled. Default: 1,000. */
  readonly maxInFlight?: number;
  /** How long one call of the handler may take, in milliseconds, before its signal is aborted. The lane stays held until the handler has really settled. Default: 30,000; 0 for no limit. */
  readonly timeoutMs?: number;
  /** Default: the system’s. */
  readonly clock?: Clock;
  /** For jitter and ids. Default: the system’s. */
  readonly random?: Random;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Default: none. */
  readonly telemetry?: Telemetry;
}

/** A consumer that handles messages one by one: keys side by side, one key in order. */
export interface HandlerConsumerOptions<T> extends CommonConsumerOptions {
  /**
   * Resolving acknowledges. Throwing retries, as {@link RetryPolicy} says. What says that the message itself is at fault goes to the
   * dead-letter topic at once: a `PaystreamError` that is not retryable with the code `INVALID_ARGUMENT`, `NOT_FOUND`,
   * `FAILED_PRECONDITION`, `ALREADY_EXISTS`, `UNSUPPORTED` or `DATA_LOSS`.
   */
  readonly handler: (value: T, context: HandlerContext & { readonly delivery: Delivery<T> }) => Promise<void>;
  /** How many messages, of different keys, are handled at once. Default: 16. */
  readonly concurrency?: number;
}

/** A consumer that handles messages in batches, for sinks and hot paths. */
export interface BatchConsumerOptions<T> extends CommonConsumerOptions {
  /**
   * Resolving acknowledges all. Messages of one key stand in order, and no two calls hold the same key at once. Throwing
   * splits the batch in two, each tried again, until the message at fault stands alone; it is then retried or dead-lettered.
   */
  readonly handleBatch: (batch: readonly Delivery<T>[], context: HandlerContext) => Promise<void>;
  /** At most so many messages in a batch. Default: 256. */
  readonly maxBatchSize?: number;
  /** How many batches, of different keys, are handled at once. Default: 1. */
  readonly concurrency?: number;
  /** How long a batch that is not full waits for more, in milliseconds. Default: 0: what is there is taken. */
  readonly lingerMs?: number;
}

/** Options of `createConsumer`. */
export type ConsumerOptions<T> = HandlerConsumerOptions<T> | BatchConsumerOptions<T>;

/** How a consumer is. */
export interface ConsumerStatus {
  /** `paused` while something that its handler needs is away, or while it can receive nothing. */
  readonly state: 'running' | 'paused' | 'stopping' | 'stopped';
  /** Messages received and not settled. */
  readonly inFlight: number;
  /** Those of them that wait for what others hold, which is no attempt. As many as `maxInFlight`: nothing else is handled. */
  readonly postponed: number;
  /** Why it is paused. */
  readonly pausedBy?: string | undefined;
}

/** A running consumer. */
export interface Consumer extends Running, AsyncDisposable {
  /** The topic that it consumes. */
  readonly topic: string;
  /** The durable subscription’s name. */
  readonly subscription: string;
  /** How it is now. */
  readonly status: ConsumerStatus;
  /** Rejects with `UNAVAILABLE` unless it is running, saying why. */
  check(): Promise<void>;
  /** Stops intake, lets handlers finish until `timeoutMs` is over (default: 10,000), then aborts their signals and waits for them; acknowledges, closes. Safe to call again. */
  close(timeoutMs?: number): Promise<void>;
}

/** A message from `createMessageStream`: acknowledge each, or give it back. */
export interface StreamedDelivery<T> extends Delivery<T> {
  /** Marks it as done; durable once it resolves. */
  acknowledge(): Promise<void>;
  /** Delivered again after `delayMs` (default: 1,000). */
  negativeAcknowledge(delayMs?: number): void;
}

/** Options of `createMessageStream`. */
export interface MessageStreamOptions {
  /** The durable subscription's name. */
  readonly subscription: string;
  /** Default: `key-shared`. */
  readonly type?: SubscriptionType;
  /** Where a new subscription begins. Default: `earliest`. */
  readonly initialPosition?: 'earliest' | 'latest';
  /** Where messages go that do not decode. Default: `<topic>-<subscription>-dlq`. */
  readonly deadLetterTopic?: string;
  /**
   * The durable subscription of that topic that they are kept for until it has acknowledged them. It is made if it is not there; where
   * that is refused they are published without it, and an error is logged. Name the one that reads the topic if there is one: for
   * another one letters would pile up. `false`: none is made. Default: `dead-letters`.
   */
  readonly deadLetterSubscription?: string | false;
  /** At most so many messages received and not settled. Default: 1,000. */
  readonly maxInFlight?: number;
  /** Default: the system’s. */
  readonly clock?: Clock;
  /** For ids. Default: the system’s. */
  readonly random?: Random;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Default: none. */
  readonly telemetry?: Telemetry;
}

/**
 * Messages for a `for await` loop. Leaving the loop closes it: what was not acknowledged is delivered again to whoever
 * subscribes next.
 */
export interface MessageStream<T> extends AsyncIterable<StreamedDelivery<T>>, AsyncDisposable {
  /** The topic that it reads. */
  readonly topic: string;
  /** The durable subscription’s name. */
  readonly subscription: string;
  /** Ends the loop, stores acknowledgements, closes. Safe to call again. */
  close(): Promise<void>;
}
