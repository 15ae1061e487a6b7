import type { BrokerEntry } from '../wire/parse-message.ts';
import type { ReadMessageMetadata } from '../wire/read-message-metadata.ts';
import { BitSet } from './bit-set.ts';
import { MessageId, type MessageIdFields } from './message-id.ts';

/** What is the same for every message of an entry. */
export interface EntryFields<S> {
  readonly source: S;
  readonly session: number;
  readonly ledgerId: bigint;
  readonly entryId: bigint;
  readonly metadata: ReadMessageMetadata;
  readonly brokerEntry: BrokerEntry | undefined;
  readonly redeliveryCount: number;
  /** 0: not a batch. */
  readonly batchSize: number;
  /** Of a batch that was acknowledged in part: what is left. */
  readonly ackSet: readonly bigint[];
  /** Of a message in chunks: all its entries, the last one included. */
  readonly chunks?: readonly ChunkPosition[] | undefined;
}

/** An entry that holds a chunk. */
export interface ChunkPosition {
  readonly ledgerId: bigint;
  readonly entryId: bigint;
}

/** An entry of a topic as it was delivered once: a message, or a batch of them that is acknowledged as a whole in the end. */
export class Entry<S> {
  readonly source: S;
  /** Which connection of the consumer it came by. */
  readonly session: number;
  readonly ledgerId: bigint;
  readonly entryId: bigint;
  /** The same as numbers, for tables. */
  readonly ledger: number;
  readonly entry: number;
  readonly metadata: ReadMessageMetadata;
  readonly brokerEntry: BrokerEntry | undefined;
  readonly redeliveryCount: number;
  readonly batchSize: number;
  readonly chunks: readonly ChunkPosition[] | undefined;
  /** Whether it is acknowledged, all of it. */
  acknowledged = false;
  /** Whether a message of it was acknowledged in a transaction: then the broker must not be told of the entry as a whole. */
  inTransaction = false;
  readonly #ackSet: readonly bigint[];
  #left: BitSet | undefined;

  constructor(fields: EntryFields<S>) {
    this.source = fields.source;
    this.session = fields.session;
    this.ledgerId = fields.ledgerId;
    this.entryId = fields.entryId;
    this.ledger = Number(fields.ledgerId);
    this.entry = Number(fields.entryId);
    this.metadata = fields.metadata;
    this.brokerEntry = fields.brokerEntry;
    this.redeliveryCount = fields.redeliveryCount;
    this.batchSize = fields.batchSize;
    this.chunks = fields.chunks;
    this.#ackSet = fields.ackSet;
  }

  /** Which messages of the batch are not acknowledged. */
  get left(): BitSet {
    this.#left ??= new BitSet(this.batchSize, this.#ackSet);
    return this.#left;
  }

  /** Whether the message at an index, -1 outside a batch, is acknowledged. */
  isAcknowledged(index: number): boolean {
    return this.acknowledged || (index >= 0 && this.#left?.has(index) === false);
  }

  /** Notes that the message at an index is done. Returns whether that changed anything. */
  acknowledge(index: number): boolean {
    if (this.acknowledged) return false;
    if (index < 0) {
      this.acknowledged = true;
      return true;
    }
    const changed = this.left.clear(index);
    if (this.left.count === 0) this.acknowledged = true;
    return changed;
  }

  /** Notes that every message up to and with the one at an index is done. */
  acknowledgeThrough(index: number): void {
    if (index < 0) this.acknowledged = true;
    else {
      this.left.clearThrough(index);
      if (this.left.count === 0) this.acknowledged = true;
    }
  }

  /** The id of the message at an index, -1 outside a batch: it acknowledges as well as the message does, see {@link entryOf}. */
  idAt(index: number, topic: string, partition: number): MessageId {
    const first = this.chunks?.[0];
    const { ledgerId, entryId, batchSize } = this;
    const firstChunk = first && new MessageId({ ...first, partition, topic });
    return new ReceivedId({ ledgerId, entryId, partition, batchIndex: index, batchSize, topic, firstChunk }, this);
  }
}

/** The id of a message that was received, with its entry. A weak map of all of them costs the collector of garbage more than all else of a message. */
class ReceivedId extends MessageId {
  readonly #entry: Entry<unknown>;

  constructor(fields: MessageIdFields, entry: Entry<unknown>) {
    super(fields);
    this.#entry = entry;
  }

  static entryOf(id: MessageId): Entry<unknown> | undefined {
    return #entry in id ? id.#entry : undefined;
  }
}

/** The entry that the id of a received message came with; `undefined` for one from elsewhere. */
export function entryOf(id: MessageId): Entry<unknown> | undefined {
  return ReceivedId.entryOf(id);
}
