import type { CompressionType } from '../gen/pulsar/wire_pb.ts';
import { type ByteWriter, stringBound, VARINT_MAX } from './byte-writer.ts';
import { type Properties, propertiesBound, writeProperties } from './properties.ts';

/** A key that the message is encrypted for. */
export interface EncryptionKey {
  /** Name of the public key. */
  readonly key: string;
  /** The data key, encrypted with the public key. */
  readonly value: Uint8Array;
  readonly metadata: Properties;
}

/**
 * Metadata of an entry. What is `undefined` is absent; what has a value is written, even where it equals the default of the
 * protocol. 64-bit numbers that may be -1 are signed.
 */
export interface MessageMetadata {
  readonly producerName: string;
  /** Of a batch the lowest; of a batch of one key the highest. */
  readonly sequenceId: number;
  /** In milliseconds since the epoch. */
  readonly publishTime: number;
  readonly properties?: Properties | undefined;
  readonly replicatedFrom?: string | undefined;
  readonly partitionKey?: string | undefined;
  readonly replicateTo?: readonly string[] | undefined;
  readonly compression?: CompressionType | undefined;
  /** Bytes of the payload before compression: of the whole batch, of the whole message if this is a chunk. */
  readonly uncompressedSize?: number | undefined;
  /** Given: the payload is a batch, even one of a single message. */
  readonly numMessagesInBatch?: number | undefined;
  /** In milliseconds since the epoch; 0: none. */
  readonly eventTime?: number | undefined;
  /** Given: the payload is encrypted. */
  readonly encryptionKeys?: readonly EncryptionKey[] | undefined;
  readonly encryptionAlgo?: string | undefined;
  readonly encryptionParam?: Uint8Array | undefined;
  readonly schemaVersion?: Uint8Array | undefined;
  readonly partitionKeyB64Encoded?: boolean | undefined;
  readonly orderingKey?: Uint8Array | undefined;
  /** In milliseconds since the epoch. */
  readonly deliverAtTime?: number | undefined;
  readonly markerType?: number | undefined;
  /** Signed, as all of its 64 bits. */
  readonly txnLeastBits?: bigint | undefined;
  readonly txnMostBits?: bigint | undefined;
  readonly highestSequenceId?: number | undefined;
  readonly nullValue?: boolean | undefined;
  readonly uuid?: string | undefined;
  readonly numChunksFromMessage?: number | undefined;
  readonly totalChunkMessageSize?: number | undefined;
  readonly chunkId?: number | undefined;
  readonly nullPartitionKey?: boolean | undefined;
}

/** How many bytes metadata takes at most. */
export function messageMetadataBound(metadata: MessageMetadata): number {
  // Numbers and flags, each with its tag.
  let bound = 22 * (VARINT_MAX + 2);
  bound += stringBound(metadata.producerName) + propertiesBound(metadata.properties);
  if (metadata.replicatedFrom !== undefined) bound += stringBound(metadata.replicatedFrom);
  if (metadata.partitionKey !== undefined) bound += stringBound(metadata.partitionKey);
  if (metadata.replicateTo !== undefined) for (const cluster of metadata.replicateTo) bound += 1 + stringBound(cluster);
  if (metadata.encryptionKeys !== undefined) {
    for (const key of metadata.encryptionKeys) {
      bound += 16 + stringBound(key.key) + key.value.length + propertiesBound(key.metadata);
    }
  }
  if (metadata.encryptionAlgo !== undefined) bound += stringBound(metadata.encryptionAlgo);
  if (metadata.encryptionParam !== undefined) bound += VARINT_MAX + metadata.encryptionParam.length;
  if (metadata.schemaVersion !== undefined) bound += VARINT_MAX + metadata.schemaVersion.length;
  if (metadata.orderingKey !== undefined) bound += VARINT_MAX + metadata.orderingKey.length;
  if (metadata.uuid !== undefined) bound += stringBound(metadata.uuid);
  return bound;
}

/** Writes metadata; there must be room for what `messageMetadataBound` says. */
export function writeMessageMetadata(writer: ByteWriter, metadata: MessageMetadata): void {
  writer.byte(0x0a);
  writer.string(metadata.producerName);
  writer.byte(0x10);
  writer.varint(metadata.sequenceId);
  writer.byte(0x18);
  writer.varint(metadata.publishTime);
  if (metadata.properties !== undefined) writeProperties(writer, 0x22, metadata.properties);
  writeString(writer, 5, metadata.replicatedFrom);
  writeString(writer, 6, metadata.partitionKey);
  if (metadata.replicateTo !== undefined) for (const cluster of metadata.replicateTo) writeString(writer, 7, cluster);
  writeNumber(writer, 8, metadata.compression);
  writeNumber(writer, 9, metadata.uncompressedSize);
  writeNumber(writer, 11, metadata.numMessagesInBatch);
  writeNumber(writer, 12, metadata.eventTime);
  if (metadata.encryptionKeys !== undefined) for (const key of metadata.encryptionKeys) writeEncryptionKey(writer, key);
  writeString(writer, 14, metadata.encryptionAlgo);
  writeBytes(writer, 15, metadata.encryptionParam);
  writeBytes(writer, 16, metadata.schemaVersion);
  writeBool(writer, 17, metadata.partitionKeyB64Encoded);
  writeBytes(writer, 18, metadata.orderingKey);
  writeNumber(writer, 19, metadata.deliverAtTime);
  writeNumber(writer, 20, metadata.markerType);
  writeBigint(writer, 22, metadata.txnLeastBits);
  writeBigint(writer, 23, metadata.txnMostBits);
  writeNumber(writer, 24, metadata.highestSequenceId);
  writeBool(writer, 25, metadata.nullValue);
  writeString(writer, 26, metadata.uuid);
  writeNumber(writer, 27, metadata.numChunksFromMessage);
  writeNumber(writer, 28, metadata.totalChunkMessageSize);
  writeNumber(writer, 29, metadata.chunkId);
  writeBool(writer, 30, metadata.nullPartitionKey);
}

function writeEncryptionKey(writer: ByteWriter, key: EncryptionKey): void {
  writer.byte(0x6a);
  const start = writer.begin();
  writer.byte(0x0a);
  writer.string(key.key);
  writer.byte(0x12);
  writer.bytes(key.value);
  writeProperties(writer, 0x1a, key.metadata);
  writer.end(start);
}

function writeNumber(writer: ByteWriter, field: number, value: number | undefined): void {
  if (value === undefined) return;
  writer.varint(field << 3);
  writer.varint(value);
}

function writeBigint(writer: ByteWriter, field: number, value: bigint | undefined): void {
  if (value === undefined) return;
  writer.varint(field << 3);
  writer.varintBig(value);
}

function writeBool(writer: ByteWriter, field: number, value: boolean | undefined): void {
  if (value === undefined) return;
  writer.varint(field << 3);
  writer.byte(value ? 1 : 0);
}

function writeString(writer: ByteWriter, field: number, value: string | undefined): void {
  if (value === undefined) return;
  writer.varint((field << 3) | 2);
  writer.string(value);
}

function writeBytes(writer: ByteWriter, field: number, value: Uint8Array | undefined): void {
  if (value === undefined) return;
  writer.varint((field << 3) | 2);
  writer.bytes(value);
}
