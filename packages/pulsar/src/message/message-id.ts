import { create, fromBinary, isFieldSet, toBinary } from '@bufbuild/protobuf';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type MessageIdData, MessageIdDataSchema } from '../gen/pulsar/wire_pb.ts';

/** What a message id is made of. */
export interface MessageIdFields {
  /** The ledger that holds the entry. */
  readonly ledgerId: bigint;
  /** The entry within the ledger. */
  readonly entryId: bigint;
  /** -1: of a topic without partitions. Default: -1. */
  readonly partition?: number;
  /** -1: not of a batch. Default: -1. */
  readonly batchIndex?: number;
  /** How many messages the batch has. Default: 0. */
  readonly batchSize?: number;
  /** Of which topic, partition included. Neither text nor bytes hold it. Default: unknown. */
  readonly topic?: string | undefined;
  /** Of a message in chunks the id of the first one; the other fields are of the last. Default: not in chunks. */
  readonly firstChunk?: MessageId | undefined;
}

const brand = Symbol.for('paystream.pulsar.message-id');
const MAX = 2n ** 63n - 1n;
const MASK = 2n ** 64n - 1n;

/**
 * Where a message lies in its topic. Immutable; text and bytes are those of the Java client.
 *
 * ```ts
 * const id = MessageId.parse('10:5:-1');
 * id.compareTo(MessageId.latest) < 0; // true
 * ```
 */
export class MessageId {
  /** Before everything that a topic holds. */
  static readonly earliest: MessageId = new MessageId({ ledgerId: -1n, entryId: -1n });
  /** Behind everything that a topic holds. */
  static readonly latest: MessageId = new MessageId({ ledgerId: MAX, entryId: MAX });

  static {
    Object.defineProperty(MessageId.prototype, brand, { value: true });
  }

  readonly ledgerId: bigint;
  readonly entryId: bigint;
  /** -1: of a topic without partitions. */
  readonly partition: number;
  /** -1: not of a batch. */
  readonly batchIndex: number;
  /** How many messages the batch has; 0 if it is none, or unknown. */
  readonly batchSize: number;
  /** Of which topic, partition included, if known. */
  readonly topic: string | undefined;
  /** Of a message in chunks the id of the first one. */
  readonly firstChunk: MessageId | undefined;

  constructor(fields: MessageIdFields) {
    this.ledgerId = fields.ledgerId;
    this.entryId = fields.entryId;
    this.partition = fields.partition ?? -1;
    this.batchIndex = fields.batchIndex ?? -1;
    this.batchSize = fields.batchSize ?? 0;
    this.topic = fields.topic;
    this.firstChunk = fields.firstChunk;
  }

  /** Whether a value is a `MessageId`, of this copy of the package or another. */
  static is(value: unknown): value is MessageId {
    return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === true;
  }

  /** Reads what `toString` writes. Throws `INVALID_ARGUMENT`. */
  static parse(text: string, topic?: string): MessageId {
    const [first, last, more] = text.split(';');
    if (first === undefined || more !== undefined) throw unreadable(text);
    if (last === undefined) return new MessageId({ ...parseOne(first, text), topic });
    return new MessageId({ ...parseOne(last, text), topic, firstChunk: new MessageId({ ...parseOne(first, text), topic }) });
  }

  /** Reads what `toBytes` writes. Throws `INVALID_ARGUMENT`. */
  static fromBytes(bytes: Uint8Array, topic?: string): MessageId {
    let data: MessageIdData;
    try {
      data = fromBinary(MessageIdDataSchema, bytes);
    } catch (error) {
      throw new PulsarError('INVALID_ARGUMENT', `${bytes.length} bytes are not a message id`, { cause: error });
    }
    const first = data.firstChunkMessageId;
    return new MessageId({ ...fieldsOf(data), topic, firstChunk: first && new MessageId({ ...fieldsOf(first), topic }) });
  }

  /** `ledger:entry:partition`, `ledger:entry:partition:batchIndex`, or `first;last` of a message in chunks. */
  toString(): string {
    const { ledgerId, entryId, partition, batchIndex, firstChunk } = this;
    const text = `${ledgerId}:${entryId}:${partition}${batchIndex < 0 ? '' : `:${batchIndex}`}`;
    return firstChunk === undefined ? text : `${firstChunk};${text}`;
  }

  /** What `toString` gives, so that ids can stand in JSON; `MessageId.parse` reads it. */
  toJSON(): string {
    return this.toString();
  }

  /** Opaque bytes, to be kept by an application. */
  toBytes(): Uint8Array {
    return toBinary(MessageIdDataSchema, dataOf(this));
  }

  /**
   * Below 0 if this one comes before the other in their topic, above 0 if behind, 0 if they are equal. A plain entry comes before
   * the messages of a batch in its place. Ids of different topics cannot be compared.
   */
  compareTo(other: MessageId): number {
    if (this.ledgerId !== other.ledgerId) return this.ledgerId < other.ledgerId ? -1 : 1;
    if (this.entryId !== other.entryId) return this.entryId < other.entryId ? -1 : 1;
    return Math.sign(this.partition - other.partition || this.batchIndex - other.batchIndex);
  }

  /** Whether they are the same place. The topic is not looked at, nor the size of the batch. */
  equals(other: MessageId): boolean {
    return this.compareTo(other) === 0;
  }
}

function unreadable(text: string): PulsarError {
  return new PulsarError('INVALID_ARGUMENT', `"${text}" is not a message id: "ledger:entry:partition[:batchIndex]" is expected`);
}

function parseOne(part: string, whole: string): MessageIdFields {
  const match = /^(-?\d{1,19}):(-?\d{1,19}):(-1|\d{1,9})(?::(-1|\d{1,9}))?$/.exec(part);
  if (match === null) throw unreadable(whole);
  const [, ledger = '', entry = '', partition, batchIndex = -1] = match;
  const ledgerId = BigInt(ledger);
  const entryId = BigInt(entry);
  if (ledgerId < -1n || ledgerId > MAX || entryId < -1n || entryId > MAX) throw unreadable(whole);
  return { ledgerId, entryId, partition: Number(partition), batchIndex: Number(batchIndex) };
}

function fieldsOf(data: MessageIdData): MessageIdFields {
  const { ledgerId, entryId } = MessageIdDataSchema.field;
  if (!isFieldSet(data, ledgerId) || !isFieldSet(data, entryId)) {
    throw new PulsarError('INVALID_ARGUMENT', 'a message id must have a ledger and an entry');
  }
  return {
    ledgerId: BigInt.asIntN(64, data.ledgerId),
    entryId: BigInt.asIntN(64, data.entryId),
    partition: data.partition,
    batchIndex: data.batchIndex,
    batchSize: data.batchSize,
  };
}

function dataOf(id: MessageId): MessageIdData {
  const data = create(MessageIdDataSchema, { ledgerId: id.ledgerId & MASK, entryId: id.entryId & MASK, batchSize: id.batchSize });
  if (id.partition >= 0) data.partition = id.partition;
  if (id.batchIndex >= 0) data.batchIndex = id.batchIndex;
  if (id.firstChunk !== undefined) data.firstChunkMessageId = dataOf(id.firstChunk);
  return data;
}
