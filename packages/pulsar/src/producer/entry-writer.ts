import type { Codec } from '../compression/codec.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { BatchBuilder } from '../wire/batch-builder.ts';
import type { BufferPool } from '../wire/buffer-pool.ts';
import type { MessageMetadata } from '../wire/message-metadata.ts';
import { encodeSend, messageMetadataSize } from '../wire/send.ts';
import type { ChunkGroup, Entry, Settle } from './entry.ts';
import type { Outgoing } from './message.ts';

/** What the broker said when it took the producer. */
export interface ProducerFacts {
  readonly producerName: string;
  /** `undefined`: the topic has no schema. */
  readonly schemaVersion: Uint8Array | undefined;
  /** In bytes. */
  readonly maxMessageSize: number;
}

/** Options of {@link EntryWriter}. */
export interface EntryWriterOptions {
  readonly producerId: number;
  readonly codec: Codec | undefined;
  readonly pool: BufferPool;
  /** `undefined`: messages are not cut. */
  readonly maxChunkBytes: number | undefined;
}

/** When a message or the first one of a batch was taken. */
export interface Moment {
  /** In milliseconds since the epoch. */
  readonly publishTime: number;
  /** By the clock of `performance.now()`. */
  readonly createdAt: number;
}

export function now(): Moment {
  return { publishTime: Date.now(), createdAt: performance.now() };
}

/** A batch that is closed. */
export interface ClosedBatch {
  readonly builder: BatchBuilder;
  readonly first: Outgoing;
  readonly settles: readonly Settle[];
  readonly bytes: number;
  readonly moment: Moment;
  /** `undefined` of a batch of one key: the broker may see its messages among those of other keys. */
  readonly lowestSequenceId: number | undefined;
  readonly highestSequenceId: number;
}

/** Makes entries of messages, batches of them, and what is larger than the broker takes. */
export class EntryWriter {
  readonly #options: EntryWriterOptions;
  facts: ProducerFacts = { producerName: '', schemaVersion: undefined, maxMessageSize: 0 };

  constructor(options: EntryWriterOptions) {
    this.#options = options;
  }

  /** One message, as a plain entry or in chunks. Throws `MESSAGE_TOO_LARGE`. */
  single(outgoing: Outgoing, settle: Settle, moment: Moment): Entry[] {
    const { producerId, codec, pool, maxChunkBytes } = this.#options;
    const { maxMessageSize } = this.facts;
    const { payload, sequenceId } = outgoing;
    const compressed = codec === undefined || payload.length === 0 ? payload : codec.compress(payload);
    const metadata = this.#metadataOf(outgoing, moment, compressed === payload ? undefined : codec);
    if (maxChunkBytes !== undefined) {
      const chunks = this.#chunks(outgoing, metadata, compressed, settle, moment);
      if (chunks !== undefined) return chunks;
    }
    const { txnLeastBits, txnMostBits } = metadata;
    const frame = encodeSend({ producerId, sequenceId, txnLeastBits, txnMostBits }, metadata, compressed, { pool, maxMessageSize });
    return [this.#entry(frame, sequenceId, sequenceId, [settle], false, payload.length, moment.createdAt, undefined)];
  }

  #metadataOf(outgoing: Outgoing, moment: Moment, codec: Codec | undefined): MessageMetadata {
    return {
      producerName: this.facts.producerName,
      sequenceId: outgoing.sequenceId,
      publishTime: moment.publishTime,
      properties: outgoing.properties,
      partitionKey: outgoing.partitionKey,
      replicateTo: outgoing.replicateTo,
      compression: codec?.type,
      uncompressedSize: outgoing.payload.length,
      eventTime: outgoing.eventTime,
      schemaVersion: this.#schemaVersionOf(outgoing),
      partitionKeyB64Encoded: outgoing.partitionKeyB64Encoded,
      orderingKey: outgoing.orderingKey,
      deliverAtTime: outgoing.deliverAtTime,
      txnLeastBits: outgoing.scope?.leastBits,
      txnMostBits: outgoing.scope?.mostBits,
      nullValue: outgoing.nullValue,
      nullPartitionKey: outgoing.nullPartitionKey,
    };
  }

  #schemaVersionOf(outgoing: Outgoing): Uint8Array | undefined {
    return outgoing.schema === undefined ? this.facts.schemaVersion : outgoing.schemaVersion;
  }

  #entry(
    frame: Buffer,
    sequenceId: number,
    highestSequenceId: number,
    settles: readonly Settle[],
    batched: boolean,
    bytes: number,
    createdAt: number,
    chunk: ChunkGroup | undefined,
  ): Entry {
    return { frame, sequenceId, highestSequenceId, settles, batched, bytes, createdAt, chunk, writes: 0, flushes: undefined };
  }

  #chunks(outgoing: Outgoing, metadata: MessageMetadata, payload: Uint8Array, settle: Settle, moment: Moment): Entry[] | undefined {
    const { maxMessageSize, producerName } = this.facts;
    const limit = this.#options.maxChunkBytes ?? maxMessageSize;
    // Most messages are small: do not measure their metadata.
    if (payload.length <= limit && payload.length + messageMetadataSize(metadata) <= maxMessageSize) return undefined;
    const { sequenceId, scope } = outgoing;
    const uuid = `${producerName}-${sequenceId}`;
    const total = payload.length;
    const described = { ...metadata, uuid, numChunksFromMessage: total, totalChunkMessageSize: total, chunkId: total };
    const size = Math.min(limit, maxMessageSize - messageMetadataSize(described));
    if (size < 1)
      throw new PulsarError('MESSAGE_TOO_LARGE', `the metadata of a message leaves no room for its payload in ${maxMessageSize} bytes`);
    const count = Math.ceil(total / size);
    if (count === 1) return undefined;
    const { producerId, pool } = this.#options;
    const send = { producerId, sequenceId, txnLeastBits: scope?.leastBits, txnMostBits: scope?.mostBits, isChunk: true };
    const group: ChunkGroup = { firstId: undefined };
    return Array.from({ length: count }, (_, chunkId) => {
      const part = payload.subarray(chunkId * size, (chunkId + 1) * size);
      const frame = encodeSend(send, { ...described, numChunksFromMessage: count, chunkId }, part, { pool, maxMessageSize });
      const last = chunkId === count - 1;
      const bytes = last ? outgoing.payload.length : 0;
      return this.#entry(frame, sequenceId, sequenceId, last ? [settle] : [], false, bytes, moment.createdAt, group);
    });
  }

  /** Several messages in one entry. Throws `MESSAGE_TOO_LARGE`. */
  batch(batch: ClosedBatch): Entry {
    const { producerId, codec } = this.#options;
    const { producerName, maxMessageSize } = this.facts;
    const { builder, first, settles, bytes, moment, lowestSequenceId, highestSequenceId } = batch;
    const { scope } = first;
    const numMessages = builder.count;
    const sequenceId = lowestSequenceId ?? highestSequenceId;
    const highest = lowestSequenceId === undefined ? undefined : highestSequenceId;
    const txn = { txnLeastBits: scope?.leastBits, txnMostBits: scope?.mostBits };
    const frame = builder.seal(
      { producerId, sequenceId, numMessages, highestSequenceId: highest, ...txn },
      {
        producerName,
        sequenceId,
        publishTime: moment.publishTime,
        partitionKey: first.partitionKey,
        partitionKeyB64Encoded: first.partitionKeyB64Encoded,
        orderingKey: first.orderingKey,
        uncompressedSize: builder.bytes,
        numMessagesInBatch: numMessages,
        schemaVersion: this.#schemaVersionOf(first),
        highestSequenceId: highest,
        ...txn,
      },
      { codec, maxMessageSize },
    );
    return this.#entry(frame, sequenceId, highestSequenceId, settles, true, bytes, moment.createdAt, undefined);
  }
}
