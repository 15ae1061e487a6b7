import type { Codec } from '../compression/codec.ts';
import { type CompressionName, codecOf } from '../compression/codecs.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { ValueEncoder } from '../schema/port.ts';
import type { Payload, ProducerMessage } from './message.ts';

/** When messages that were gathered for one entry of the topic are sent. */
export interface BatchingOptions {
  /** So many messages are sent at once. Default: 1,000. */
  readonly maxMessages?: number;
  /** So many bytes, before compression, are sent at once. Default: 131,072 (128 KiB). */
  readonly maxBytes?: number;
  /**
   * How long a message waits for others at most, in milliseconds, while earlier ones are on their way; a message that finds
   * nothing on its way leaves with those of the same turn of the event loop. Default: 1.
   */
  readonly maxDelayMs?: number;
  /** A batch of its own for each key (ordering key, else key), as key-shared subscriptions need it. Default: false. */
  readonly keyed?: boolean;
}

/** How large messages are cut. */
export interface ChunkingOptions {
  /** Bytes of payload in one chunk at most. Default: what the broker takes. */
  readonly maxChunkBytes?: number;
}

/**
 * Who may produce beside this one.
 *
 * - `shared`: anybody who does not claim the topic for himself.
 * - `exclusive`: nobody; fails with `PRODUCER_FENCED` if there is somebody.
 * - `wait-for-exclusive`: nobody; waits until the others are gone.
 * - `exclusive-with-fencing`: nobody; takes the topic from whoever has it.
 */
export type AccessMode = 'shared' | 'exclusive' | 'wait-for-exclusive' | 'exclusive-with-fencing';

/** Chooses the partition of a message: an integer from 0 to less than `partitions`. */
export type PartitionRouter<T = Payload> = (message: ProducerMessage<T>, partitions: number) => number;

/** Options of a producer. */
export interface ProducerOptions<T = Payload> {
  /** `name`, `tenant/namespace/name`, or with `persistent://` or `non-persistent://` in front. */
  readonly topic: string;
  /** Unique in the topic; keep it the same from run to run where the broker drops duplicates. Default: the broker chooses one. */
  readonly name?: string;
  /** How values become bytes. Default: bytes and text as they are. */
  readonly schema?: ValueEncoder<T>;
  /** Default: on. */
  readonly batching?: BatchingOptions | false;
  /** Default: `none`. */
  readonly compression?: CompressionName;
  /** Cuts what is larger than the broker takes; persistent topics only. Default: off; such messages fail with `MESSAGE_TOO_LARGE`. */
  readonly chunking?: ChunkingOptions | boolean;
  /**
   * The partition of messages without a key: in turn, a batch each, or all to one that is chosen at random; or a function, for
   * messages with a key too. Default: `round-robin`.
   */
  readonly routing?: 'round-robin' | 'single-partition' | PartitionRouter<T>;
  /** How the key chooses the partition: by the hash that Java clients take by default, or the one they call `Murmur3_32Hash`. Default: `java`. */
  readonly hashing?: 'java' | 'murmur3';
  /** Default: `shared`. */
  readonly accessMode?: AccessMode;
  /** How many messages wait for the broker's answer at most, in all partitions together. Default: 1,000. */
  readonly maxPendingMessages?: number;
  /** Whether `send` waits, in order, while so many are pending or the client's memory limit is reached; otherwise it rejects with `QUEUE_FULL` or `MEMORY_LIMIT`. Default: false. */
  readonly blockIfQueueFull?: boolean;
  /**
   * Once the broker has not answered the oldest message for so many milliseconds, all that are pending fail with `TIMEOUT`,
   * connected or not; whether the broker has them is unknown. 0: never, as is right where the broker drops duplicates. Default: 30,000.
   */
  readonly sendTimeoutMs?: number;
  /** The sequence id of the first message. Default: 0, or one more than the broker has of this name. */
  readonly initialSequenceId?: number;
  /** Shown by the broker's statistics. Default: none. */
  readonly properties?: Readonly<Record<string, string>>;
  /** A subscription that is created together with the topic. Default: none. */
  readonly initialSubscription?: string;
  /** How often a partitioned topic is asked for new partitions, in milliseconds; 0: never. Default: 60,000. */
  readonly partitionsUpdateMs?: number;
  /** Ends the wait for the producer to come about. */
  readonly signal?: AbortSignal;
}

/** Options with everything filled in that has a default. */
export interface ProducerSettings {
  readonly batching: Required<BatchingOptions> | undefined;
  /** `undefined`: none. */
  readonly codec: Codec | undefined;
  readonly chunking: ChunkingOptions | undefined;
  readonly accessMode: AccessMode;
  readonly maxPendingMessages: number;
  readonly blockIfQueueFull: boolean;
  readonly sendTimeoutMs: number;
  readonly initialSequenceId: number | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly initialSubscription: string | undefined;
  readonly partitionsUpdateMs: number;
}

const defaults = {
  compression: 'none',
  accessMode: 'shared',
  maxPendingMessages: 1_000,
  blockIfQueueFull: false,
  sendTimeoutMs: 30_000,
  partitionsUpdateMs: 60_000,
} as const satisfies Partial<ProducerOptions>;

const batchingDefaults = {
  maxMessages: 1_000,
  maxBytes: 131_072,
  maxDelayMs: 1,
  keyed: false,
} as const satisfies Required<BatchingOptions>;

function atLeast(least: number, name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new PulsarError('INVALID_ARGUMENT', `${name} is an integer from ${least} on, not ${value}`);
}

function oneOf<T extends string>(allowed: readonly T[], name: string, value: T): T {
  if (allowed.includes(value)) return value;
  throw new PulsarError('INVALID_ARGUMENT', `${name} is one of ${allowed.join(', ')}, not ${String(value)}`);
}

function batchingOf(options: BatchingOptions | false | undefined): Required<BatchingOptions> | undefined {
  if (options === false) return undefined;
  const { maxMessages, maxBytes, maxDelayMs, keyed } = { ...batchingDefaults, ...options };
  return {
    maxMessages: atLeast(1, 'batching.maxMessages', maxMessages),
    maxBytes: atLeast(1, 'batching.maxBytes', maxBytes),
    maxDelayMs: atLeast(0, 'batching.maxDelayMs', maxDelayMs),
    keyed,
  };
}

function chunkingOf(options: ChunkingOptions | boolean | undefined, persistent: boolean): ChunkingOptions | undefined {
  if (options === undefined || options === false) return undefined;
  if (!persistent) throw new PulsarError('INVALID_ARGUMENT', 'messages of a non-persistent topic cannot be cut into chunks');
  if (options === true) return {};
  if (options.maxChunkBytes !== undefined) atLeast(1, 'chunking.maxChunkBytes', options.maxChunkBytes);
  return options;
}

/** Checks options and fills in defaults. Throws `INVALID_ARGUMENT`. */
export function settle<T>(options: ProducerOptions<T>, persistent: boolean): ProducerSettings {
  const { compression, accessMode, maxPendingMessages, blockIfQueueFull, sendTimeoutMs, partitionsUpdateMs } = { ...defaults, ...options };
  const { initialSequenceId } = options;
  return {
    batching: batchingOf(options.batching),
    codec: codecOf(compression),
    chunking: chunkingOf(options.chunking, persistent),
    accessMode: oneOf(['shared', 'exclusive', 'wait-for-exclusive', 'exclusive-with-fencing'], 'accessMode', accessMode),
    maxPendingMessages: atLeast(1, 'maxPendingMessages', maxPendingMessages),
    blockIfQueueFull,
    sendTimeoutMs: atLeast(0, 'sendTimeoutMs', sendTimeoutMs),
    initialSequenceId: initialSequenceId === undefined ? undefined : atLeast(0, 'initialSequenceId', initialSequenceId),
    properties: options.properties ?? {},
    initialSubscription: options.initialSubscription,
    partitionsUpdateMs: atLeast(0, 'partitionsUpdateMs', partitionsUpdateMs),
  };
}
