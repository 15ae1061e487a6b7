import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { decompress } from '../compression/codecs.ts';
import { messageMetadataSize } from '../wire/send.ts';
import { createProducer } from './create-producer.ts';
import { type FakeWorld, fakeTime, fakeWorld, outcomeOf, pass, ready, sendAll } from './test-support.ts';

beforeEach(fakeTime);

function small(maxMessageSize = 1_000): FakeWorld {
  const world = fakeWorld();
  world.maxMessageSize = maxMessageSize;
  return world;
}

describe('a message that is larger than the broker takes', () => {
  it('9.3.32 is cut, every chunk fits, and the id names the first and the last', async () => {
    const { world, producer } = await ready({ chunking: true }, small());
    const payload = randomBytes(2_500);
    const sent = sendAll(producer, [{ value: payload, key: 'k', properties: { a: 'b' } }]);
    await pass(1);
    const chunks = world.connection.sent;
    expect(chunks).toHaveLength(3);
    expect(Buffer.concat(chunks.map((chunk) => chunk.payload))).toEqual(payload);
    for (const [chunkId, { metadata, sequenceId, isChunk, payload: part, numMessages }] of chunks.entries()) {
      expect(metadata).toMatchObject({
        uuid: 'standalone-0-1-0',
        chunkId,
        numChunksFromMessage: 3,
        totalChunkMessageSize: 2_500,
        uncompressedSize: 2_500,
        sequenceId: 0,
        partitionKey: 'k',
        properties: { a: 'b' },
      });
      expect({ sequenceId, isChunk, numMessages }).toEqual({ sequenceId: 0, isChunk: true, numMessages: 1 });
      expect(messageMetadataSize(metadata) + part.length).toBeLessThanOrEqual(1_000);
    }
    for (const entryId of [3n, 4n]) world.connection.receipt(0, 0, { entryId });
    expect(await sent.outcome()).toBe('pending');
    world.connection.receipt(0, 0, { entryId: 5n });
    expect(await sent.outcome()).toBe('7:3:-1;7:5:-1');
    expect(producer.pendingMessages).toBe(0);
    expect(world.context.memory.usedBytes).toBe(0);
  });

  it('is cut after compression', async () => {
    const { world, producer } = await ready({ chunking: true, compression: 'zstd' }, small());
    const payload = Buffer.from(randomBytes(2_000).toString('hex'));
    sendAll(producer, [payload]);
    await pass(1);
    const chunks = world.connection.sent;
    const compressed = Buffer.concat(chunks.map((chunk) => chunk.payload.subarray()));
    expect(chunks[0]?.metadata).toMatchObject({ totalChunkMessageSize: compressed.length, uncompressedSize: 4_000 });
    expect(decompress(chunks[0]?.metadata.compression, compressed, 4_000, 4_000)).toEqual(payload);
  });

  it('is one plain message if it is small once compressed', async () => {
    const { world, producer } = await ready({ chunking: true, compression: 'zstd' }, small());
    sendAll(producer, ['a'.repeat(5_000)]);
    await pass(1);
    expect(world.connection.sent).toHaveLength(1);
    expect(world.connection.sent[0]?.metadata.uuid).toBeUndefined();
    expect(world.connection.sent[0]?.isChunk).toBe(false);
  });

  it('is cut as small as asked for, and sent whole after a reconnect', async () => {
    const { world, producer } = await ready({ chunking: { maxChunkBytes: 100 }, batching: false }, small());
    const sent = sendAll(producer, ['x'.repeat(250)]);
    world.connection.receipt(0, 0, { entryId: 1n });
    world.connection.close();
    await pass(100);
    expect(world.connection.sent.map(({ metadata }) => metadata.chunkId)).toEqual([1, 2]);
    world.connection.receipt(0, 0, { entryId: 8n });
    world.connection.receipt(0, 0, { entryId: 9n });
    expect(await sent.outcome()).toBe('7:1:-1;7:9:-1');
  });

  it('is refused if even its metadata does not fit', async () => {
    const { producer } = await ready({ chunking: true }, small());
    const sent = sendAll(producer, [{ value: 'a', properties: { long: 'x'.repeat(2_000) } }]);
    await pass(1);
    expect(await sent.outcome()).toBe('MESSAGE_TOO_LARGE');
    expect(producer.pendingMessages).toBe(0);
  });

  it('cannot be cut for a topic that is not persistent', async () => {
    expect(await outcomeOf(createProducer(small().context, { topic: 'non-persistent://public/default/x', chunking: true }))).toBe(
      'INVALID_ARGUMENT',
    );
  });
});
