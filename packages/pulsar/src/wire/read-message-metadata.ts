import type { CompressionType } from '../gen/pulsar/wire_pb.ts';
import { type ByteReader, malformed } from './byte-reader.ts';
import type { EncryptionKey, MessageMetadata } from './message-metadata.ts';
import { readName } from './names.ts';
import { noProperties, readProperty } from './properties.ts';

/** Metadata as it was read: every field is there, lists are never `undefined`, and bytes are parts of the buffer that was read. */
export type ReadMessageMetadata = {
  -readonly [Field in keyof MessageMetadata]-?: Field extends 'properties' | 'replicateTo' | 'encryptionKeys'
    ? NonNullable<MessageMetadata[Field]>
    : MessageMetadata[Field];
};

const nothing: readonly never[] = Object.freeze([]);

/** Reads metadata up to the end of the reader. Throws `CORRUPT` if it is not one. */
export function readMessageMetadata(reader: ByteReader): ReadMessageMetadata {
  const metadata: ReadMessageMetadata = {
    producerName: '',
    sequenceId: 0,
    publishTime: 0,
    properties: noProperties,
    replicatedFrom: undefined,
    partitionKey: undefined,
    replicateTo: nothing,
    compression: undefined,
    uncompressedSize: undefined,
    numMessagesInBatch: undefined,
    eventTime: undefined,
    encryptionKeys: nothing,
    encryptionAlgo: undefined,
    encryptionParam: undefined,
    schemaVersion: undefined,
    partitionKeyB64Encoded: undefined,
    orderingKey: undefined,
    deliverAtTime: undefined,
    markerType: undefined,
    txnLeastBits: undefined,
    txnMostBits: undefined,
    highestSequenceId: undefined,
    nullValue: undefined,
    uuid: undefined,
    numChunksFromMessage: undefined,
    totalChunkMessageSize: undefined,
    chunkId: undefined,
    nullPartitionKey: undefined,
  };
  let required = 0;
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    switch (tag) {
      case 0x0a:
        metadata.producerName = readName(reader);
        required |= 1;
        break;
      case 0x10:
        metadata.sequenceId = reader.number();
        required |= 2;
        break;
      case 0x18:
        metadata.publishTime = reader.number();
        required |= 4;
        break;
      default:
        readOptional(reader, tag, metadata);
    }
  }
  if (required !== 7) throw malformed('metadata without producer name, sequence id or publish time');
  return metadata;
}

function readOptional(reader: ByteReader, tag: number, metadata: ReadMessageMetadata): void {
  switch (tag) {
    case 0x22:
      if (metadata.properties === noProperties) metadata.properties = {};
      readProperty(reader, metadata.properties as Record<string, string>);
      return;
    case 0x2a:
      metadata.replicatedFrom = reader.string();
      return;
    case 0x32:
      metadata.partitionKey = reader.string();
      return;
    case 0x3a:
      metadata.replicateTo = appended(metadata.replicateTo, reader.string());
      return;
    case 0x40:
      metadata.compression = reader.int32() as CompressionType;
      return;
    case 0x48:
      metadata.uncompressedSize = reader.uint32();
      return;
    case 0x58:
      metadata.numMessagesInBatch = reader.int32();
      return;
    case 0x60:
      metadata.eventTime = reader.number();
      return;
    case 0x6a:
      metadata.encryptionKeys = appended(metadata.encryptionKeys, readEncryptionKey(reader));
      return;
    case 0x72:
      metadata.encryptionAlgo = reader.string();
      return;
    case 0x7a:
      metadata.encryptionParam = reader.bytes();
      return;
    case 0x82:
      metadata.schemaVersion = reader.bytes();
      return;
    case 0x88:
      metadata.partitionKeyB64Encoded = reader.bool();
      return;
    case 0x92:
      metadata.orderingKey = reader.bytes();
      return;
    case 0x98:
      metadata.deliverAtTime = reader.number();
      return;
    case 0xa0:
      metadata.markerType = reader.int32();
      return;
    case 0xb0:
      metadata.txnLeastBits = reader.bigint();
      return;
    case 0xb8:
      metadata.txnMostBits = reader.bigint();
      return;
    case 0xc0:
      metadata.highestSequenceId = reader.number();
      return;
    case 0xc8:
      metadata.nullValue = reader.bool();
      return;
    case 0xd2:
      metadata.uuid = reader.string();
      return;
    case 0xd8:
      metadata.numChunksFromMessage = reader.int32();
      return;
    case 0xe0:
      metadata.totalChunkMessageSize = reader.int32();
      return;
    case 0xe8:
      metadata.chunkId = reader.int32();
      return;
    case 0xf0:
      metadata.nullPartitionKey = reader.bool();
      return;
    default:
      reader.skip(tag & 7);
  }
}

// The list that starts every metadata is shared; those that have items are their own.
function appended<Item>(items: readonly Item[], item: Item): readonly Item[] {
  if (items.length === 0) return [item];
  (items as Item[]).push(item);
  return items;
}

function readEncryptionKey(reader: ByteReader): EncryptionKey {
  const outer = reader.end;
  reader.end = reader.length();
  let key = '';
  let value: Uint8Array = new Uint8Array();
  const metadata: Record<string, string> = {};
  while (reader.at < reader.end) {
    const tag = reader.uint32();
    if (tag === 0x0a) key = reader.string();
    else if (tag === 0x12) value = reader.bytes();
    else if (tag === 0x1a) readProperty(reader, metadata);
    else reader.skip(tag & 7);
  }
  reader.end = outer;
  return { key, value, metadata };
}
