import { PulsarError } from '../errors/pulsar-error.ts';
import type { ValueDecoder } from '../schema/port.ts';

/**
 * How the consumers of a subscription share its messages.
 * - `exclusive`: one consumer; another one is refused.
 * - `failover`: one at a time; when it goes, the next one takes over.
 * - `shared`: each message to any one of them; no order.
 * - `key_shared`: each key to one of them at a time, in order.
 */
export type SubscriptionType = 'exclusive' | 'shared' | 'failover' | 'key_shared';

/** Delays that grow with the number of deliveries: `minMs × multiplier^redeliveryCount`, at most `maxMs`. */
export interface RedeliveryBackoff {
  /** Default: 10,000. */
  readonly minMs?: number;
  /** Default: 600,000. */
  readonly maxMs?: number;
  /** Default: 2. */
  readonly multiplier?: number;
}

/** Where messages go that were delivered too often. */
export interface DeadLetterOptions {
  /** How many times a message is delivered again before it goes there; at least 1. Default: 16. */
  readonly maxRedeliveries?: number;
  /** Default: `<topic>-<subscription>-DLQ`. */
  readonly topic?: string;
  /** A subscription to create with the topic, so that nothing is lost that comes before somebody reads it. Default: none. */
  readonly initialSubscription?: string;
}

/** Where messages wait that are to be consumed later. */
export interface RetryLetterOptions {
  /** Default: `<topic>-<subscription>-RETRY`. */
  readonly topic?: string;
}

/** How a key-shared subscription spreads keys. */
export interface KeySharedOptions {
  /**
   * The hashes (0 to 65,535, both ends included) whose keys this consumer gets, whoever else is there; ranges of two consumers
   * must not overlap. Default: the broker spreads keys.
   */
  readonly ranges?: readonly (readonly [start: number, end: number])[];
  /** Whether keys may lose their order when consumers come and go, so that nobody has to wait. Default: `false`. */
  readonly allowOutOfOrder?: boolean;
}

/**
 * What a consumer tells apart from messages, each in a turn of its own. See `PulsarClientOptions.onEvent` for what happens to all
 * consumers of a client.
 */
export interface ConsumerEvents {
  /** On a failover subscription: whether this consumer is the one that receives now. No call means that it is not known. */
  readonly onActiveChange?: (isActive: boolean, topic: string) => void;
  /** A topic was terminated, and everything in it is delivered. May be told again. */
  readonly onEndOfTopic?: (topic: string) => void;
  /** The connection to a topic is there; again after each reconnect. */
  readonly onConnected?: (topic: string) => void;
  /** The connection to a topic is gone; the consumer is making another one. */
  readonly onDisconnected?: (topic: string, error: PulsarError) => void;
  /** A connection to a topic could not be made; it is tried again after so many milliseconds. */
  readonly onRetry?: (topic: string, error: PulsarError, delayMs: number) => void;
  /**
   * The broker does not take the consumer back, since the topic is gone, say, or may not be read any more: nothing comes from any of
   * its topics. Whoever receives or acknowledges gets the error. Close it; to go on, subscribe anew.
   */
  readonly onFailed?: (error: PulsarError, topic: string) => void;
  /** Something went wrong that no call can report: a letter that could not be sent, a topic that could not be subscribed to yet. */
  readonly onError?: (error: PulsarError, topic: string) => void;
}

/** Options of {@link PulsarClient.subscribe}, apart from the topics. */
export interface SubscriptionOptions<T = Buffer> {
  /** Name of the durable cursor, which outlives the consumer. */
  readonly subscription: string;
  /** Default: `exclusive`. */
  readonly type?: SubscriptionType;
  /** Name of this consumer in statistics, and its place in a failover order. Default: a random one. */
  readonly name?: string;
  /** Decodes values, and is registered with the topic. Default: bytes. */
  readonly schema?: ValueDecoder<T>;
  /** Where a cursor that does not exist yet begins. Default: `latest`. */
  readonly initialPosition?: 'earliest' | 'latest';
  /** How many messages are asked for in advance, of each topic; 0: one at a time. Default: 1,000. */
  readonly receiverQueueSize?: number;
  /** How many messages are asked for in advance of all topics together; with many topics each gets its share. Default: 50,000. */
  readonly maxTotalReceiverQueueSize?: number;
  /** How long acknowledgements are collected, in milliseconds; 0: each is sent at once. Default: 100. */
  readonly ackGroupTimeMs?: number;
  /** How many acknowledgements are collected at most. Default: 1,000. */
  readonly ackGroupMaxSize?: number;
  /** Whether `acknowledge` waits until the broker has stored it. Otherwise it resolves at once. Default: `false`. */
  readonly ackReceipt?: boolean;
  /** Whether messages of a batch are acknowledged one by one, if the broker allows it. Otherwise a batch comes again as a whole. Default: `false`. */
  readonly batchIndexAck?: boolean;
  /** A message handed out and not acknowledged for so many milliseconds is delivered again; 0: never; otherwise at least 1,000. Default: 0. */
  readonly ackTimeoutMs?: number;
  /** After how many milliseconds a message comes again that was given back; at least 100. Default: 60,000. */
  readonly negativeAckDelayMs?: number;
  /** Delays of messages given back that grow, in place of `negativeAckDelayMs`. Default: none. */
  readonly negativeAckBackoff?: RedeliveryBackoff;
  /** Where messages go that were delivered too often. Shared and key-shared subscriptions, or with `retryLetter`. Default: nowhere. */
  readonly deadLetter?: DeadLetterOptions;
  /** Allows `reconsumeLater`: also subscribes to a topic where messages wait. Default: `false`. */
  readonly retryLetter?: boolean | RetryLetterOptions;
  /** How a key-shared subscription spreads keys. */
  readonly keyShared?: KeySharedOptions;
  /** 0 comes first: on shared subscriptions gets messages as long as it has room, on failover ones is the active one. Default: 0. */
  readonly priority?: number;
  /** Shown in the broker's statistics; 1,024 bytes at most. Default: none. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Kept with the subscription when it is created. Default: none. */
  readonly subscriptionProperties?: Readonly<Record<string, string>>;
  /** Whether only the last message of each key is read from what was compacted. Exclusive and failover only. Default: `false`. */
  readonly readCompacted?: boolean;
  /** Whether the cursor is copied to other clusters. Default: `false`. */
  readonly replicateSubscriptionState?: boolean;
  /** How many messages in chunks are put together at once; the oldest one is dropped for another. Default: 10. */
  readonly maxPendingChunkedMessages?: number;
  /** How long the chunks of a message may take to come, in milliseconds; then they are dropped. Default: 60,000. */
  readonly chunkExpiryMs?: number;
  /** Whether a message that is dropped for another one is acknowledged, rather than delivered again. Default: `false`. */
  readonly autoAckOldestChunkedMessage?: boolean;
  /** How often the number of partitions is asked for, in milliseconds. Default: 60,000. */
  readonly partitionsUpdateMs?: number;
  /** Told of what happens to this consumer. Default: nobody. */
  readonly events?: ConsumerEvents;
}

/** The options with everything filled in. */
export interface ConsumerSettings {
  readonly subscription: string;
  readonly type: SubscriptionType;
  readonly name: string;
  readonly initialPosition: 'earliest' | 'latest';
  readonly receiverQueueSize: number;
  readonly maxTotalReceiverQueueSize: number;
  readonly ackGroupTimeMs: number;
  readonly ackGroupMaxSize: number;
  readonly ackReceipt: boolean;
  readonly batchIndexAck: boolean;
  readonly ackTimeoutMs: number;
  readonly negativeAckDelayMs: number;
  readonly negativeAckBackoff: Required<RedeliveryBackoff> | undefined;
  readonly keyShared: KeySharedOptions;
  readonly priority: number;
  readonly properties: Readonly<Record<string, string>>;
  readonly subscriptionProperties: Readonly<Record<string, string>>;
  readonly readCompacted: boolean;
  readonly replicateSubscriptionState: boolean;
  readonly maxPendingChunkedMessages: number;
  readonly chunkExpiryMs: number;
  readonly autoAckOldestChunkedMessage: boolean;
  readonly partitionsUpdateMs: number;
  readonly events: ConsumerEvents;
}

const defaults = {
  type: 'exclusive',
  initialPosition: 'latest',
  receiverQueueSize: 1_000,
  maxTotalReceiverQueueSize: 50_000,
  ackGroupTimeMs: 100,
  ackGroupMaxSize: 1_000,
  ackReceipt: false,
  batchIndexAck: false,
  ackTimeoutMs: 0,
  negativeAckDelayMs: 60_000,
  keyShared: {},
  priority: 0,
  properties: {},
  subscriptionProperties: {},
  readCompacted: false,
  replicateSubscriptionState: false,
  maxPendingChunkedMessages: 10,
  chunkExpiryMs: 60_000,
  autoAckOldestChunkedMessage: false,
  partitionsUpdateMs: 60_000,
  events: {},
} as const satisfies Partial<ConsumerSettings>;

const backoffDefaults = { minMs: 10_000, maxMs: 600_000, multiplier: 2 } as const satisfies Required<RedeliveryBackoff>;

/** Fills in and checks options. Throws `INVALID_ARGUMENT`. */
export function resolveSettings<T>(options: SubscriptionOptions<T>): ConsumerSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as SubscriptionOptions<T>;
  const { negativeAckBackoff } = given;
  const settings: ConsumerSettings = {
    ...defaults,
    ...given,
    name: given.name ?? randomName(),
    negativeAckBackoff: negativeAckBackoff && { ...backoffDefaults, ...negativeAckBackoff },
    events: inTurns(given.events ?? {}),
  };
  check(settings);
  return settings;
}

/** The same events, each told in a turn of its own: what a listener throws must not break what it is told of. */
function inTurns(events: ConsumerEvents): ConsumerEvents {
  return {
    onActiveChange: (isActive, topic) => queueMicrotask(() => events.onActiveChange?.(isActive, topic)),
    onEndOfTopic: (topic) => queueMicrotask(() => events.onEndOfTopic?.(topic)),
    onConnected: (topic) => queueMicrotask(() => events.onConnected?.(topic)),
    onDisconnected: (topic, error) => queueMicrotask(() => events.onDisconnected?.(topic, error)),
    onRetry: (topic, error, delayMs) => queueMicrotask(() => events.onRetry?.(topic, error, delayMs)),
    onFailed: (error, topic) => queueMicrotask(() => events.onFailed?.(error, topic)),
    onError: (error, topic) => queueMicrotask(() => events.onError?.(error, topic)),
  };
}

function check(settings: ConsumerSettings): void {
  const { subscription, type, ackTimeoutMs, negativeAckDelayMs, readCompacted, keyShared } = settings;
  if (typeof subscription !== 'string' || subscription === '') throw invalid('subscription', subscription, 'it must not be empty');
  if (!['exclusive', 'shared', 'failover', 'key_shared'].includes(type)) {
    throw invalid('type', type, 'it is exclusive, shared, failover or key_shared');
  }
  whole('receiverQueueSize', settings.receiverQueueSize, 0);
  whole('maxTotalReceiverQueueSize', settings.maxTotalReceiverQueueSize, 1);
  whole('ackGroupMaxSize', settings.ackGroupMaxSize, 1);
  whole('maxPendingChunkedMessages', settings.maxPendingChunkedMessages, 1);
  atLeast('ackGroupTimeMs', settings.ackGroupTimeMs, 0);
  atLeast('negativeAckDelayMs', negativeAckDelayMs, 100);
  atLeast('chunkExpiryMs', settings.chunkExpiryMs, 1);
  atLeast('partitionsUpdateMs', settings.partitionsUpdateMs, 1);
  if (ackTimeoutMs !== 0) atLeast('ackTimeoutMs', ackTimeoutMs, 1_000);
  if (readCompacted && type !== 'exclusive' && type !== 'failover') {
    throw invalid('readCompacted', true, `a ${type} subscription cannot read what is compacted; use exclusive or failover`);
  }
  for (const [start, end] of keyShared.ranges ?? []) {
    if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= 65_535)) {
      throw invalid('keyShared.ranges', `${start}-${end}`, 'ranges are of whole numbers from 0 to 65535, start before end');
    }
  }
}

/** Throws `INVALID_ARGUMENT` unless an option is a number of at least `least`. */
function atLeast(name: string, value: number, least: number): void {
  if (!(value >= least)) throw invalid(name, value, `it is a number of at least ${least}`);
}

function whole(name: string, value: number, least: number): void {
  if (!(Number.isInteger(value) && value >= least)) throw invalid(name, value, `it is a whole number of at least ${least}`);
}

export function invalid(name: string, value: unknown, why: string): PulsarError {
  return new PulsarError('INVALID_ARGUMENT', `the option ${name} cannot be ${JSON.stringify(value)}: ${why}`);
}

/** A name that is unlikely to be taken: so many hexadecimal digits. */
export function randomName(digits = 10): string {
  let name = '';
  while (name.length < digits) name += Math.floor(Math.random() * 16).toString(16);
  return name;
}
