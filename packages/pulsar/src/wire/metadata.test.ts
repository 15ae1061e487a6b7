import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as wire from '../gen/pulsar/wire_pb.ts';
import { BatchReader } from './batch-reader.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { type MessageMetadata, messageMetadataBound, writeMessageMetadata } from './message-metadata.ts';
import { readMessageMetadata } from './read-message-metadata.ts';
import { messageMetadataSize } from './send.ts';
import { type SingleMessageMetadata, singleMessageBound, writeSingleMessage } from './single-message.ts';
import { messageMetadata, payload, singleMessage } from './test-support.ts';

const unsigned = (value: bigint | number): bigint => BigInt.asUintN(64, BigInt(value));
const pairs = (properties: Readonly<Record<string, string>>) => Object.entries(properties).map(([key, value]) => ({ key, value }));

/** The message of the generated code that has the same content. */
function generated(metadata: MessageMetadata): wire.MessageMetadata {
  const {
    sequenceId,
    publishTime,
    properties,
    eventTime,
    encryptionKeys,
    deliverAtTime,
    txnLeastBits,
    txnMostBits,
    highestSequenceId,
    numChunksFromMessage,
    totalChunkMessageSize,
    ...same
  } = metadata;
  return create(wire.MessageMetadataSchema, {
    ...(same as object),
    sequenceId: unsigned(sequenceId),
    publishTime: unsigned(publishTime),
    ...(properties && { properties: pairs(properties) }),
    ...(eventTime !== undefined && { eventTime: unsigned(eventTime) }),
    ...(encryptionKeys && {
      encryptionKeys: encryptionKeys.map((key) => ({ key: key.key, value: key.value, metadata: pairs(key.metadata) })),
    }),
    ...(deliverAtTime !== undefined && { deliverAtTime: BigInt(deliverAtTime) }),
    ...(txnLeastBits !== undefined && { txnidLeastBits: unsigned(txnLeastBits) }),
    ...(txnMostBits !== undefined && { txnidMostBits: unsigned(txnMostBits) }),
    ...(highestSequenceId !== undefined && { highestSequenceId: unsigned(highestSequenceId) }),
    ...(numChunksFromMessage !== undefined && { numChunksFromMsg: numChunksFromMessage }),
    ...(totalChunkMessageSize !== undefined && { totalChunkMsgSize: totalChunkMessageSize }),
  });
}

function generatedSingle(metadata: SingleMessageMetadata, payloadSize: number): wire.SingleMessageMetadata {
  const { properties, eventTime, sequenceId, ...same } = metadata;
  return create(wire.SingleMessageMetadataSchema, {
    ...(same as object),
    payloadSize,
    ...(properties && { properties: pairs(properties) }),
    ...(eventTime !== undefined && { eventTime: unsigned(eventTime) }),
    ...(sequenceId !== undefined && { sequenceId: unsigned(sequenceId) }),
  });
}

/** Without what is absent, with plain byte arrays. */
function given(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(given);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([name, field]) => [name, given(field)]),
  );
}

describe('metadata of a message', () => {
  it('has the bytes that generated code writes, whatever fields it has', () => {
    fc.assert(
      fc.property(messageMetadata, (metadata) => {
        const bound = messageMetadataBound(metadata);
        const writer = new ByteWriter(Buffer.alloc(bound));
        writeMessageMetadata(writer, metadata);
        expect(writer.at).toBeLessThanOrEqual(bound);
        expect(writer.buffer.subarray(0, writer.at).equals(toBinary(wire.MessageMetadataSchema, generated(metadata)))).toBe(true);
        expect(messageMetadataSize(metadata)).toBe(writer.at);
      }),
      { numRuns: 500 },
    );
  });

  it('is read from the bytes that generated code writes', () => {
    fc.assert(
      fc.property(messageMetadata, (metadata) => {
        const bytes = Buffer.from(toBinary(wire.MessageMetadataSchema, generated(metadata)));
        const read = readMessageMetadata(new ByteReader(bytes));
        expect(given(read)).toEqual(given({ properties: {}, replicateTo: [], encryptionKeys: [], ...metadata }));
      }),
      { numRuns: 500 },
    );
  });

  it('may have fields that a later protocol adds, and none of those it must have may lack', () => {
    const known = toBinary(wire.MessageMetadataSchema, generated({ producerName: 'p', sequenceId: 1, publishTime: 2 }));
    const later = Buffer.from('f80101' + '8202026869' + '8d0201020304' + '91020102030405060708', 'hex');
    expect(readMessageMetadata(new ByteReader(Buffer.concat([later, known])))).toMatchObject({
      producerName: 'p',
      sequenceId: 1,
      publishTime: 2,
    });
    expect(() => readMessageMetadata(new ByteReader(later))).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
    expect(() => readMessageMetadata(new ByteReader(Buffer.from('0b', 'hex')))).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
  });

  it('of an entry with a hundred thousand clusters is read at once', () => {
    const many = generated({ producerName: 'p', sequenceId: 1, publishTime: 2, replicateTo: new Array<string>(100_000).fill('') });
    expect(readMessageMetadata(new ByteReader(Buffer.from(toBinary(wire.MessageMetadataSchema, many)))).replicateTo).toHaveLength(100_000);
  });
});

describe('metadata of a message in a batch', () => {
  it('has the bytes that generated code writes, whatever fields it has', () => {
    fc.assert(
      fc.property(singleMessage, fc.nat(0x7fff_ffff), (metadata, payloadSize) => {
        const bound = singleMessageBound(metadata);
        const writer = new ByteWriter(Buffer.alloc(bound));
        writeSingleMessage(writer, metadata, payloadSize);
        expect(writer.at).toBeLessThanOrEqual(bound);
        expect(writer.buffer.readUInt32BE(0)).toBe(writer.at - 4);
        const expected = toBinary(wire.SingleMessageMetadataSchema, generatedSingle(metadata, payloadSize));
        expect(writer.buffer.subarray(4, writer.at).equals(expected)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('is read from batches that generated code writes', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(singleMessage, payload), { minLength: 1, maxLength: 8 }), (messages) => {
        const block = Buffer.concat(
          messages.flatMap(([metadata, content]) => {
            const bytes = toBinary(wire.SingleMessageMetadataSchema, generatedSingle(metadata, content.length));
            const size = Buffer.alloc(4);
            size.writeUInt32BE(bytes.length);
            return [size, bytes, content];
          }),
        );
        const reader = new BatchReader(block, messages.length);
        const read: unknown[] = [];
        while (reader.next()) {
          const { index, compactedOut, eventTime, partitionKeyB64Encoded, sequenceId, nullValue, nullPartitionKey } = reader;
          const { partitionKey, orderingKey, properties, payload: content } = reader;
          read.push(
            given({
              index,
              compactedOut,
              eventTime,
              partitionKeyB64Encoded,
              sequenceId,
              nullValue,
              nullPartitionKey,
              partitionKey,
              orderingKey,
              properties,
              content,
            }),
          );
        }
        const absent = {
          compactedOut: false,
          eventTime: 0,
          partitionKeyB64Encoded: false,
          sequenceId: -1,
          nullValue: false,
          nullPartitionKey: false,
        };
        expect(read).toEqual(
          messages.map(([metadata, content], index) => given({ ...absent, properties: {}, ...metadata, index, content })),
        );
        expect(reader.payloadEnd).toBe(block.length);
      }),
      { numRuns: 300 },
    );
  });

  it('reads the same after its properties were read as before', () => {
    const part = toBinary(wire.SingleMessageMetadataSchema, generatedSingle({ properties: { a: '1' }, sequenceId: 4 }, 1));
    const block = Buffer.concat([
      Buffer.from([0, 0, 0, part.length]),
      part,
      Buffer.from('x'),
      Buffer.from([0, 0, 0, part.length]),
      part,
      Buffer.from('y'),
    ]);
    const reader = new BatchReader(block, 2);
    const seen: string[] = [];
    while (reader.next()) seen.push(`${JSON.stringify(reader.properties)}${JSON.stringify(reader.properties)}${reader.payload}`);
    expect(seen).toEqual(['{"a":"1"}{"a":"1"}x', '{"a":"1"}{"a":"1"}y']);
  });

  it('does not reach beyond its batch', () => {
    const corrupt = expect.objectContaining({ code: 'CORRUPT' });
    const good = Buffer.from('0000000218016d', 'hex');
    expect(new BatchReader(good, 1).next()).toBe(true);
    const bad: readonly (readonly [string, string])[] = [
      ['fewer than it says', ''],
      ['cut in a size', '0000'],
      ['a size beyond its end', '00000003180161'],
      ['a huge size', 'ffffffff180161'],
      ['a payload beyond its end', '000000021802' + '61'],
      ['a payload of less than nothing', '0000000b18ffffffffffffffffff01'],
      ['no size of its payload', '00000000'],
      ['a property without value', '000000070a030a01611800'],
      ['a property beyond its end', '000000070a060a01611800'],
      ['a property whose name is beyond its end', '000000090a050a09120061' + '1800'],
    ];
    for (const [why, hex] of bad) expect(() => new BatchReader(Buffer.from(hex, 'hex'), 1).next(), why).toThrow(corrupt);
    expect(new BatchReader(Buffer.alloc(0), 0).next()).toBe(false);
    expect(new BatchReader(Buffer.alloc(0), -5).next()).toBe(false);
  });
});
