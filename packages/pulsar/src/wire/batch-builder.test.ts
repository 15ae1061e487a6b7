import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decompress } from '../compression/codecs.ts';
import { lz4 } from '../compression/lz4.ts';
import { snappy } from '../compression/snappy.ts';
import { zlib, zstd } from '../compression/zlib.ts';
import { CompressionType } from '../gen/pulsar/wire_pb.ts';
import { BatchBuilder } from './batch-builder.ts';
import { BatchReader } from './batch-reader.ts';
import { BufferPool } from './buffer-pool.ts';
import { parseMessage } from './parse-message.ts';
import { isSendIntact } from './send.ts';
import { payload, singleMessage } from './test-support.ts';

const base = { producerName: 'p', sequenceId: 0, publishTime: 1 };

function entryOf(frame: Buffer) {
  expect(frame.readUInt32BE(0)).toBe(frame.length - 4);
  const parsed = parseMessage(frame.subarray(8 + frame.readUInt32BE(4)));
  if (!parsed.valid) throw parsed.error;
  return parsed;
}

describe('batches', () => {
  it('are read as they were built, through every codec, in buffers that are used again and again', () => {
    const pool = new BufferPool();
    const builder = new BatchBuilder(pool);
    const messages = fc.array(fc.tuple(singleMessage, payload), { minLength: 1, maxLength: 12 });
    const codec = fc.constantFrom(undefined, lz4, zlib, zstd, snappy);
    // A long key does not fit in the room before the batch.
    const key = fc.constantFrom(undefined, 'k', 'k'.repeat(2000));
    fc.assert(
      fc.property(messages, codec, key, fc.boolean(), (batch, chosen, partitionKey, giveBack) => {
        for (const [metadata, content] of batch) builder.append(metadata, content);
        expect(builder.count).toBe(batch.length);
        const { bytes } = builder;
        const frame = builder.seal(
          { producerId: 1, sequenceId: 0, numMessages: batch.length },
          { ...base, partitionKey, numMessagesInBatch: batch.length },
          { codec: chosen },
        );
        const { metadata, payload: block } = entryOf(frame);
        expect([metadata.compression, metadata.uncompressedSize]).toEqual(chosen ? [chosen.type, bytes] : [undefined, undefined]);
        expect(metadata.partitionKey).toBe(partitionKey);
        const reader = new BatchReader(decompress(metadata.compression, block, metadata.uncompressedSize ?? 0, bytes), batch.length);
        for (const [message, content] of batch) {
          expect(reader.next()).toBe(true);
          expect(reader.payload.equals(content)).toBe(true);
          expect(reader.partitionKey).toBe(message.partitionKey);
          expect(reader.properties).toEqual(message.properties ?? {});
        }
        expect([builder.count, builder.bytes]).toEqual([0, 0]);
        if (giveBack) pool.give(frame);
      }),
      { numRuns: 300 },
    );
  });

  it('of one can be sent as a plain message', () => {
    for (const codec of [undefined, lz4]) {
      const builder = new BatchBuilder(new BufferPool());
      builder.append({ partitionKey: 'k', properties: { a: 'b' } }, Buffer.from('hello'));
      const frame = builder.seal({ producerId: 1, sequenceId: 0 }, { ...base, partitionKey: 'k', properties: { a: 'b' } }, { codec });
      const { metadata, payload: content } = entryOf(frame);
      expect(metadata).toMatchObject({ partitionKey: 'k', properties: { a: 'b' }, numMessagesInBatch: undefined });
      expect(metadata.compression).toBe(codec === undefined ? undefined : CompressionType.LZ4);
      expect(decompress(metadata.compression, content, metadata.uncompressedSize ?? 0, 100).toString()).toBe('hello');
      builder.append({}, Buffer.from('a'));
      builder.append({}, Buffer.from('b'));
      expect(() => builder.seal({ producerId: 1, sequenceId: 0 }, base)).toThrow(RangeError);
    }
  });

  it('that the broker would not take are refused, and leave nothing behind', () => {
    const builder = new BatchBuilder(new BufferPool());
    const fill = (): void => {
      for (let n = 0; n < 10; n++) builder.append({}, Buffer.alloc(1000));
    };
    const send = { producerId: 1, sequenceId: 0, numMessages: 10 };
    fill();
    const { bytes } = builder;
    expect(() => builder.seal(send, { ...base, numMessagesInBatch: 10 }, { maxMessageSize: bytes - 1 })).toThrow(
      expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }),
    );
    expect(builder.count).toBe(0);
    fill();
    expect(entryOf(builder.seal(send, { ...base, numMessagesInBatch: 10 }, { maxMessageSize: bytes })).payload).toHaveLength(bytes);
    fill();
    expect(builder.seal(send, { ...base, numMessagesInBatch: 10 }, { maxMessageSize: 1000, codec: lz4 }).length).toBeLessThan(1000);
  });

  it('show when their frame was changed afterwards', () => {
    const builder = new BatchBuilder(new BufferPool());
    builder.append({}, Buffer.from('hello'));
    const frame = builder.seal({ producerId: 1, sequenceId: 0, numMessages: 1 }, { ...base, numMessagesInBatch: 1 });
    expect(isSendIntact(frame)).toBe(true);
    frame[frame.length - 1] = 0;
    expect(isSendIntact(frame)).toBe(false);
  });
});

describe('pooled buffers', () => {
  it('are never in two hands, whatever is given back twice', () => {
    const pool = new BufferPool();
    const first = pool.take(10_000);
    pool.give(first.subarray(5, 50));
    pool.give(first);
    expect(pool.idleBytes).toBe(first.buffer.byteLength);
    const again = pool.take(10_000);
    const other = pool.take(10_000);
    expect(again.buffer).toBe(first.buffer);
    expect(other.buffer).not.toBe(first.buffer);
    expect(again.length).toBeGreaterThanOrEqual(10_000);
    expect(pool.idleBytes).toBe(0);
  });

  it('of others are left alone', () => {
    const pool = new BufferPool();
    pool.give(Buffer.from('of the pool of the platform'));
    pool.give(Buffer.alloc(16 * 1024));
    pool.give(pool.take(100));
    pool.give(pool.take(2 * 1024 * 1024));
    expect(pool.idleBytes).toBe(0);
  });

  it('are not kept beyond the limit', () => {
    const pool = new BufferPool({ maxIdleBytes: 100_000 });
    const taken = Array.from({ length: 50 }, () => pool.take(16 * 1024));
    for (const buffer of taken) pool.give(buffer);
    expect(pool.idleBytes).toBe(6 * 16 * 1024);
  });
});
