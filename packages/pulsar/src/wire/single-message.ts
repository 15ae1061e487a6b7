import { type ByteWriter, stringBound, VARINT_MAX } from './byte-writer.ts';
import { type Properties, propertiesBound, writeProperties } from './properties.ts';

/** What a batch says of each of its messages. What is `undefined` is absent; what has a value is written. */
export interface SingleMessageMetadata {
  readonly properties?: Properties | undefined;
  readonly partitionKey?: string | undefined;
  /** Removed by compaction: to be passed over, but its permit counts. */
  readonly compactedOut?: boolean | undefined;
  /** In milliseconds since the epoch; 0: none. */
  readonly eventTime?: number | undefined;
  readonly partitionKeyB64Encoded?: boolean | undefined;
  readonly orderingKey?: Uint8Array | undefined;
  readonly sequenceId?: number | undefined;
  readonly nullValue?: boolean | undefined;
  readonly nullPartitionKey?: boolean | undefined;
}

/** How many bytes a message takes in a batch at most, without its payload. */
export function singleMessageBound(metadata: SingleMessageMetadata): number {
  let bound = 4 + 7 * (VARINT_MAX + 1) + propertiesBound(metadata.properties);
  if (metadata.partitionKey !== undefined) bound += 1 + stringBound(metadata.partitionKey);
  if (metadata.orderingKey !== undefined) bound += VARINT_MAX + metadata.orderingKey.length;
  return bound;
}

/** Writes what stands before a payload in a batch: the size of the metadata, and the metadata. There must be room. */
export function writeSingleMessage(writer: ByteWriter, metadata: SingleMessageMetadata, payloadSize: number): void {
  const start = writer.at;
  writer.at += 4;
  if (metadata.properties !== undefined) writeProperties(writer, 0x0a, metadata.properties);
  if (metadata.partitionKey !== undefined) {
    writer.byte(0x12);
    writer.string(metadata.partitionKey);
  }
  writer.byte(0x18);
  writer.varint(payloadSize);
  if (metadata.compactedOut !== undefined) {
    writer.byte(0x20);
    writer.byte(metadata.compactedOut ? 1 : 0);
  }
  if (metadata.eventTime !== undefined) {
    writer.byte(0x28);
    writer.varint(metadata.eventTime);
  }
  if (metadata.partitionKeyB64Encoded !== undefined) {
    writer.byte(0x30);
    writer.byte(metadata.partitionKeyB64Encoded ? 1 : 0);
  }
  if (metadata.orderingKey !== undefined) {
    writer.byte(0x3a);
    writer.bytes(metadata.orderingKey);
  }
  if (metadata.sequenceId !== undefined) {
    writer.byte(0x40);
    writer.varint(metadata.sequenceId);
  }
  if (metadata.nullValue !== undefined) {
    writer.byte(0x48);
    writer.byte(metadata.nullValue ? 1 : 0);
  }
  if (metadata.nullPartitionKey !== undefined) {
    writer.byte(0x50);
    writer.byte(metadata.nullPartitionKey ? 1 : 0);
  }
  writer.uint32At(start, writer.at - start - 4);
}
