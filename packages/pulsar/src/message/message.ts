import { PulsarError } from '../errors/pulsar-error.ts';
import type { Transaction } from '../transaction/port.ts';
import { ByteReader, readText } from '../wire/byte-reader.ts';
import { type Properties, readProperties } from '../wire/properties.ts';
import type { Entry } from './entry.ts';
import type { MessageId } from './message-id.ts';

/** How an acknowledgement is made. */
export interface AcknowledgeOptions {
  /** The acknowledgement holds only if this transaction commits. Default: none. */
  readonly transaction?: Transaction | undefined;
}

/** How a message is given back. */
export interface NegativeAcknowledgeOptions {
  /** After how many milliseconds it is delivered again. Default: as the consumer was configured. */
  readonly delayMs?: number;
}

/** A message that a consumer or reader received. */
export interface Message<T = Buffer> {
  /** Full name of the topic it came from, partition included: `persistent://public/default/orders-partition-2`. */
  readonly topic: string;
  /** Where it lies in its topic. */
  readonly id: MessageId;
  /** The content as it is in the topic. A view of a larger buffer, which it keeps alive: copy what is kept for long. */
  readonly data: Buffer;
  /** Whether it has no value at all (a tombstone), which is not the same as an empty one. */
  readonly isNull: boolean;
  /**
   * The content, decoded by the consumer's schema when first read; without a schema the same as `data`. Throws
   * `CORRUPT` if it does not fit the schema; `INCOMPATIBLE_SCHEMA` if it was written with one that this cannot read, or why that one
   * could not be fetched; `INVALID_MESSAGE` if there is none ({@link Message.isNull}).
   */
  readonly value: T;
  /** The key as text, if it has one. A key of bytes is in base64 here. */
  readonly key: string | undefined;
  /** The key as bytes, if it has one. */
  readonly keyBytes: Buffer | undefined;
  /** What decides the order on a key-shared subscription in place of the key, if the producer set it. */
  readonly orderingKey: Buffer | undefined;
  /** What the sender gave; empty if nothing. */
  readonly properties: Properties;
  /** When the producer sent it, by the producer's clock, in milliseconds since the epoch. */
  readonly publishTimeMs: number;
  /** When it happened, as the producer said, in milliseconds since the epoch. */
  readonly eventTimeMs: number | undefined;
  /** How many times it was delivered before, as far as the broker knows; counted on shared and key-shared subscriptions. */
  readonly redeliveryCount: number;
  /** The name of the producer that sent it. */
  readonly producerName: string;
  /** What its producer numbered it with. */
  readonly sequenceId: number;
  /** Opaque bytes: the version of the schema that it was written with. */
  readonly schemaVersion: Buffer | undefined;
  /** The cluster that it was replicated from. */
  readonly replicatedFrom: string | undefined;
  /** Its number in the topic, if the broker counts (`AppendIndexMetadataInterceptor`). */
  readonly index: number | undefined;
  /** When the broker took it, by the broker's clock, in milliseconds since the epoch, if the broker says so. */
  readonly brokerPublishTimeMs: number | undefined;
  /** Marks it as done; see `Consumer.acknowledge`. On a message of a reader it does nothing. */
  acknowledge(options?: AcknowledgeOptions): Promise<void>;
  /** Gives it back, to be delivered again later; see `Consumer.negativeAcknowledge`. */
  negativeAcknowledge(options?: NegativeAcknowledgeOptions): void;
}

/** What a message needs of the consumer that received it. */
export interface MessageSource<T> {
  readonly topic: string;
  readonly partition: number;
  decode(message: ReceivedMessage<T>): T;
  acknowledge(message: ReceivedMessage<T>, options?: AcknowledgeOptions): Promise<void>;
  negativeAcknowledge(message: ReceivedMessage<T>, options?: NegativeAcknowledgeOptions): void;
  /** The message is handed to the application. */
  onTake(message: ReceivedMessage<T>): void;
  /** The application gave it back unseen. Returns whether it is to be handed out again; otherwise it comes again by itself. */
  onReturn(message: ReceivedMessage<T>): boolean;
  /** It left the queue, and nobody gets it. */
  onDrop(message: ReceivedMessage<T>): void;
}

/** What was read of a message when it came. */
export interface MessageFields {
  /** -1: not of a batch. */
  readonly batchIndex: number;
  readonly buffer: Buffer;
  /** Where the metadata of the single message starts in the buffer; it ends where the payload starts. */
  readonly metadataStart: number;
  readonly payloadStart: number;
  readonly payloadEnd: number;
  readonly sequenceId: number;
  readonly eventTime: number;
  readonly isNull: boolean;
  readonly keyIsBase64: boolean;
}

const PROPERTY = 0x0a;
const PARTITION_KEY = 0x12;
const ORDERING_KEY = 0x3a;

/** {@link Message}, which makes keys, properties, id and value when they are asked for. */
export class ReceivedMessage<T> implements Message<T> {
  readonly entry: Entry<MessageSource<T>>;
  /** -1: not of a batch. */
  readonly batchIndex: number;
  readonly sequenceId: number;
  readonly isNull: boolean;
  /** Bytes of the payload. */
  readonly size: number;
  readonly #buffer: Buffer;
  readonly #metadataStart: number;
  readonly #payloadStart: number;
  readonly #eventTime: number;
  /** Whether the key is bytes, and its text base64. */
  readonly keyIsBase64: boolean;
  #id: MessageId | undefined;
  #data: Buffer | undefined;
  #key: string | undefined;
  #properties: Properties | undefined;
  #value: { readonly of: T } | undefined;

  constructor(entry: Entry<MessageSource<T>>, fields: MessageFields) {
    this.entry = entry;
    this.batchIndex = fields.batchIndex;
    this.sequenceId = fields.sequenceId;
    this.isNull = fields.isNull;
    this.size = fields.payloadEnd - fields.payloadStart;
    this.#buffer = fields.buffer;
    this.#metadataStart = fields.metadataStart;
    this.#payloadStart = fields.payloadStart;
    this.#eventTime = fields.eventTime;
    this.keyIsBase64 = fields.keyIsBase64;
  }

  get topic(): string {
    return this.entry.source.topic;
  }

  get id(): MessageId {
    this.#id ??= this.entry.idAt(this.batchIndex, this.entry.source.topic, this.entry.source.partition);
    return this.#id;
  }

  get data(): Buffer {
    this.#data ??= this.#buffer.subarray(this.#payloadStart, this.#payloadStart + this.size);
    return this.#data;
  }

  get value(): T {
    if (this.isNull) throw new PulsarError('INVALID_MESSAGE', `message ${this.id} has no value: it is a tombstone, see isNull`);
    this.#value ??= { of: this.entry.source.decode(this) };
    return this.#value.of;
  }

  get key(): string | undefined {
    if (this.batchIndex < 0) return this.entry.metadata.partitionKey;
    if (this.#key === undefined) {
      const at = this.#find(PARTITION_KEY);
      if (at !== undefined) this.#key = readText(this.#buffer, at.start, at.end);
    }
    return this.#key;
  }

  get keyBytes(): Buffer | undefined {
    const { key } = this;
    return key === undefined ? undefined : Buffer.from(key, this.keyIsBase64 ? 'base64' : 'utf8');
  }

  get orderingKey(): Buffer | undefined {
    if (this.batchIndex < 0) return bufferOf(this.entry.metadata.orderingKey);
    const at = this.#find(ORDERING_KEY);
    return at && this.#buffer.subarray(at.start, at.end);
  }

  get properties(): Properties {
    if (this.batchIndex < 0) return this.entry.metadata.properties;
    this.#properties ??= readProperties(new ByteReader(this.#buffer, this.#metadataStart, this.#payloadStart), PROPERTY);
    return this.#properties;
  }

  get publishTimeMs(): number {
    return this.entry.metadata.publishTime;
  }

  get eventTimeMs(): number | undefined {
    return this.#eventTime > 0 ? this.#eventTime : undefined;
  }

  get redeliveryCount(): number {
    return this.entry.redeliveryCount;
  }

  get producerName(): string {
    return this.entry.metadata.producerName;
  }

  get schemaVersion(): Buffer | undefined {
    return bufferOf(this.entry.metadata.schemaVersion);
  }

  get replicatedFrom(): string | undefined {
    return this.entry.metadata.replicatedFrom;
  }

  get index(): number | undefined {
    const last = this.entry.brokerEntry?.index ?? -1;
    if (last < 0) return undefined;
    return this.batchIndex < 0 ? last : last - (this.entry.batchSize - 1 - this.batchIndex);
  }

  get brokerPublishTimeMs(): number | undefined {
    const timestamp = this.entry.brokerEntry?.timestamp ?? -1;
    return timestamp < 0 ? undefined : timestamp;
  }

  acknowledge(options?: AcknowledgeOptions): Promise<void> {
    return this.entry.source.acknowledge(this, options);
  }

  negativeAcknowledge(options?: NegativeAcknowledgeOptions): void {
    this.entry.source.negativeAcknowledge(this, options);
  }

  /** Where the bytes of a field of the single message's metadata are. */
  #find(field: number): { readonly start: number; readonly end: number } | undefined {
    const reader = new ByteReader(this.#buffer, this.#metadataStart, this.#payloadStart);
    while (reader.at < reader.end) {
      const tag = reader.uint32();
      if (tag === field) {
        const end = reader.length();
        return { start: reader.at, end };
      }
      reader.skip(tag & 7);
    }
    return undefined;
  }
}

function bufferOf(bytes: Uint8Array | undefined): Buffer | undefined {
  if (bytes === undefined) return undefined;
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
