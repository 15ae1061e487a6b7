import { beforeEach, describe, expect, it } from 'vitest';
import type { Transaction } from '../transaction/port.ts';
import { attachScope } from '../transaction/scope.ts';
import { type FakeWorld, fakeTime, fakeWorld, outcomeOf, pass, ready, sendAll } from './test-support.ts';

beforeEach(fakeTime);

const texts = (world: FakeWorld): string[][] => world.connection.sent.map(({ messages }) => messages.map(({ text }) => text));

describe('9.3.29 a batch is closed', () => {
  it('by the number of messages', async () => {
    const { world, producer } = await ready({ batching: { maxMessages: 2 } });
    sendAll(producer, ['a', 'b', 'c']);
    expect(texts(world)).toEqual([['a', 'b']]);
  });

  it('by bytes, before the message that would be too much', async () => {
    const { world, producer } = await ready({ batching: { maxBytes: 1_000 } });
    const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(400)) as [string, string, string];
    sendAll(producer, [a, b, c]);
    expect(texts(world)).toEqual([[a, b]]);
  });

  it('by a message that is as large as a batch, which goes alone', async () => {
    const { world, producer } = await ready({ batching: { maxBytes: 1_000 } });
    const large = 'x'.repeat(1_000);
    sendAll(producer, ['a', 'b', large, 'c']);
    await pass(1);
    expect(texts(world)).toEqual([['a', 'b'], [large], ['c']]);
  });

  it('at the end of the turn if nothing is on its way', async () => {
    const { world, producer } = await ready({ batching: { maxDelayMs: 50 } });
    sendAll(producer, ['a', 'b']);
    expect(texts(world)).toEqual([]);
    await pass(0);
    expect(texts(world)).toEqual([['a', 'b']]);
  });

  it('by time if something is', async () => {
    const { world, producer } = await ready({ batching: { maxDelayMs: 50 } });
    sendAll(producer, ['first']);
    await pass(0);
    sendAll(producer, ['a']);
    await pass(49);
    sendAll(producer, ['b']);
    expect(texts(world)).toEqual([['first']]);
    await pass(1);
    expect(texts(world)).toEqual([['first'], ['a', 'b']]);
  });

  it('by a flush', async () => {
    const { world, producer } = await ready({ batching: { maxDelayMs: 1_000 } });
    sendAll(producer, ['a', 'b']);
    const flushed = producer.flush();
    await outcomeOf(flushed);
    expect(texts(world)).toEqual([['a', 'b']]);
    world.connection.receipt(0, 0);
    await flushed;
  });

  it('by a delayed message, which is never in a batch', async () => {
    const { world, producer } = await ready();
    sendAll(producer, ['a', 'b', { value: 'later', deliverAfterMs: 5_000 }, 'c']);
    await pass(1);
    expect(texts(world)).toEqual([['a', 'b'], ['later'], ['c']]);
    const [, delayed] = world.connection.sent;
    expect(delayed?.metadata.deliverAtTime).toBe(Date.now() + 5_000 - 1);
    expect(delayed?.metadata.numMessagesInBatch).toBeUndefined();
  });

  it('by a sequence id that was used before, which the broker may have', async () => {
    const { world, producer } = await ready();
    sendAll(producer, [
      { value: 'a', sequenceId: 5 },
      { value: 'b', sequenceId: 6 },
      { value: 'again', sequenceId: 5 },
      { value: 'c', sequenceId: 7 },
      { value: 'd', sequenceId: 8 },
    ]);
    await pass(1);
    expect(texts(world)).toEqual([['a', 'b'], ['again'], ['c', 'd']]);
    expect(world.connection.sent.map(({ sequenceId }) => sequenceId)).toEqual([5, 5, 7]);
  });

  it('where the transaction changes', async () => {
    const { world, producer } = await ready();
    const transaction = { id: '(1,2)', state: 'open' } as Transaction;
    attachScope(transaction, {
      mostBits: 1n,
      leastBits: 2n,
      addTopic: () => undefined,
      addSubscription: () => undefined,
      track: (operation) => operation,
      onAborted: () => undefined,
    });
    sendAll(producer, ['a', { value: 'b', transaction }, { value: 'c', transaction }, 'd']);
    await pass(1);
    expect(texts(world)).toEqual([['a'], ['b', 'c'], ['d']]);
    expect(world.connection.sent[1]?.metadata).toMatchObject({ txnMostBits: 1n, txnLeastBits: 2n });
    expect(world.connection.sent[2]?.metadata.txnMostBits).toBeUndefined();
  });

  it('not while the broker is away: it grows meanwhile', async () => {
    const { world, producer } = await ready();
    world.connection.closeProducer(0);
    sendAll(producer, ['a']);
    await pass(20);
    sendAll(producer, ['b']);
    await pass(200);
    expect(texts(world)).toEqual([['a', 'b']]);
  });
});

describe('an entry', () => {
  it('9.3.28 of one message is a plain message with all that was said of it', async () => {
    const { world, producer } = await ready();
    sendAll(producer, [{ value: 'a', key: 'k', properties: { x: 'y' }, eventTimeMs: 12, orderingKey: 'o' }]);
    await pass(1);
    const [sent] = world.connection.sent;
    expect(sent?.numMessages).toBe(1);
    expect(sent?.metadata).toMatchObject({ partitionKey: 'k', properties: { x: 'y' }, eventTime: 12, producerName: 'standalone-0-1' });
    expect(sent?.metadata.numMessagesInBatch).toBeUndefined();
    expect(sent?.metadata.orderingKey?.toString()).toBe('o');
  });

  it('9.3.28 of several messages says the first key outside and each one inside', async () => {
    const { world, producer } = await ready();
    sendAll(producer, [
      { value: 'a', key: 'k1', properties: { x: 'y' } },
      { value: 'b', key: 'k2' },
    ]);
    await pass(1);
    const [sent] = world.connection.sent;
    expect(sent?.metadata).toMatchObject({
      partitionKey: 'k1',
      sequenceId: 0,
      highestSequenceId: 1,
      numMessagesInBatch: 2,
      properties: {},
    });
    expect(sent?.messages).toEqual([
      { text: 'a', key: 'k1', sequenceId: 0, properties: { x: 'y' } },
      { text: 'b', key: 'k2', sequenceId: 1, properties: {} },
    ]);
  });

  it.each(['lz4', 'zlib', 'zstd', 'snappy'] as const)('9.3.27 is compressed as a whole by %s', async (compression) => {
    const { world, producer } = await ready({ compression });
    const text = 'pulsar '.repeat(100);
    sendAll(producer, [text, text]);
    await pass(1);
    expect(texts(world)).toEqual([[text, text]]);
    expect(world.connection.sent[0]!.payload.length).toBeLessThan(700);
  });

  it.each([[{}], [{ batching: false as const }]])('9.3.31 larger than the broker takes never leaves the client (%o)', async (options) => {
    const world = fakeWorld();
    world.maxMessageSize = 1_000;
    const { producer } = await ready(options, world);
    const sends = sendAll(producer, ['a', 'x'.repeat(1_001), 'b']);
    await pass(1);
    expect(texts(world).flat()).toEqual(['a', 'b']);
    expect(await sends.outcome(1)).toBe('MESSAGE_TOO_LARGE');
    expect(producer.pendingMessages).toBe(2);
  });
});

describe('9.3.30 batches by key', () => {
  it('hold one key each, named by their highest sequence id and in its order', async () => {
    const { world, producer } = await ready({ batching: { keyed: true } });
    const sends = sendAll(
      producer,
      ['a', 'b', 'b', 'a', 'a'].map((key, at) => ({ value: `${key}${at}`, key })),
    );
    await pass(1);
    expect(texts(world)).toEqual([
      ['b1', 'b2'],
      ['a0', 'a3', 'a4'],
    ]);
    expect(
      world.connection.sent.map(({ sequenceId, highestSequenceId, metadata }) => [sequenceId, highestSequenceId, metadata.sequenceId]),
    ).toEqual([
      [2, 0, 2],
      [4, 0, 4],
    ]);
    world.connection.receipt(0, 2, { entryId: 1n });
    world.connection.receipt(0, 4, { entryId: 2n });
    expect(await sends.outcomes()).toEqual(['7:2:-1:0', '7:1:-1:0', '7:1:-1:1', '7:2:-1:1', '7:2:-1:2']);
    expect(producer.lastSequenceId).toBe(4);
  });

  it('take the ordering key before the key, and count over all', async () => {
    const { world, producer } = await ready({ batching: { keyed: true, maxMessages: 4 } });
    sendAll(producer, [
      { value: 'a', key: 'k1', orderingKey: 'o' },
      { value: 'b', key: 'k2', orderingKey: 'o' },
      { value: 'c', key: 'k1' },
      'd',
    ]);
    expect(texts(world)).toEqual([['a', 'b'], ['c'], ['d']]);
  });
});
