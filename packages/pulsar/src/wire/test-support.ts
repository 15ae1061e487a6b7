import fc from 'fast-check';
import type { CompressionType } from '../gen/pulsar/wire_pb.ts';
import type { MessageMetadata } from './message-metadata.ts';
import type { SingleMessageMetadata } from './single-message.ts';

type Optional<T> = { readonly [Field in keyof T]-?: fc.Arbitrary<T[Field]> };

/** Text of any kind: short and long, ASCII and not. */
const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 200, size: 'max' }),
  fc.string({ unit: 'grapheme', maxLength: 200, size: 'max' }),
);

const properties: fc.Arbitrary<Record<string, string>> = fc
  .dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', '0', 'type')), text, { maxKeys: 6, noNullPrototype: true })
  .map((entries) => {
    const own: Record<string, string> = {};
    for (const [name, value] of Object.entries(entries)) {
      Object.defineProperty(own, name, { value, enumerable: true, configurable: true, writable: true });
    }
    return own;
  });

/** Numbers that have 64 bits on the wire, below zero as well. */
export const number64: fc.Arbitrary<number> = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer(),
  fc.nat(300),
  fc.constantFrom(-1, 0, 2 ** 32, 2 ** 31),
);
export const bits64: fc.Arbitrary<bigint> = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.maxSafeNat().map(BigInt));
const int32 = fc.integer();
const bytes = fc.uint8Array({ maxLength: 300 });

export const messageMetadata: fc.Arbitrary<MessageMetadata> = fc.record<MessageMetadata, 'producerName' | 'sequenceId' | 'publishTime'>(
  {
    producerName: text,
    sequenceId: number64,
    publishTime: number64,
    properties,
    replicatedFrom: text,
    partitionKey: text,
    replicateTo: fc.array(text, { maxLength: 3 }),
    compression: fc.nat(4) as fc.Arbitrary<CompressionType>,
    uncompressedSize: fc.nat(0xffff_ffff),
    numMessagesInBatch: int32,
    eventTime: number64,
    encryptionKeys: fc.array(fc.record({ key: text, value: bytes, metadata: properties }), { maxLength: 2 }),
    encryptionAlgo: text,
    encryptionParam: bytes,
    schemaVersion: bytes,
    partitionKeyB64Encoded: fc.boolean(),
    orderingKey: bytes,
    deliverAtTime: number64,
    markerType: int32,
    txnLeastBits: bits64,
    txnMostBits: bits64,
    highestSequenceId: number64,
    nullValue: fc.boolean(),
    uuid: text,
    numChunksFromMessage: int32,
    totalChunkMessageSize: int32,
    chunkId: int32,
    nullPartitionKey: fc.boolean(),
  } satisfies Optional<MessageMetadata> as never,
  { requiredKeys: ['producerName', 'sequenceId', 'publishTime'] },
);

export const singleMessage: fc.Arbitrary<SingleMessageMetadata> = fc.record<SingleMessageMetadata, never>(
  {
    properties,
    partitionKey: text,
    compactedOut: fc.boolean(),
    eventTime: number64,
    partitionKeyB64Encoded: fc.boolean(),
    orderingKey: bytes,
    sequenceId: fc.maxSafeNat(),
    nullValue: fc.boolean(),
    nullPartitionKey: fc.boolean(),
  } satisfies Optional<SingleMessageMetadata> as never,
  { requiredKeys: [] },
);

export const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.uint8Array({ maxLength: 3000, size: 'max' }),
);
