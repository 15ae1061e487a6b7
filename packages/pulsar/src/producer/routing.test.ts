import { beforeEach, describe, expect, it } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import { createProducer } from './create-producer.ts';
import { type FakeWorld, fakeTime, fakeWorld, outcomeOf, pass, ready, sendAll, success } from './test-support.ts';

beforeEach(fakeTime);

async function partitioned(options: Parameters<typeof ready>[0] = {}, partitions = 4) {
  const world = fakeWorld();
  world.partitions = partitions;
  return ready(options, world);
}

/** Messages and the partition that each went to: producers have the numbers of their partitions. */
function partitionsOf(world: FakeWorld): string[] {
  return world.connection.sent.flatMap(({ producerId, messages }) => messages.map(({ text }) => `${text}:${producerId}`));
}

describe('a producer of a partitioned topic', () => {
  it('has one name in all partitions, which the broker chose for the first', async () => {
    const { world, producer } = await partitioned();
    const made = world.connection.commands.map((command) => command.producer);
    expect(made.map((command) => command?.topic)).toEqual([0, 1, 2, 3].map((at) => `persistent://public/default/orders-partition-${at}`));
    expect(made.map((command) => command?.producerName)).toEqual(['', 'standalone-0-1', 'standalone-0-1', 'standalone-0-1']);
    expect(producer).toMatchObject({ name: 'standalone-0-1', partitions: 4, state: 'ready', topic: 'persistent://public/default/orders' });
  });

  it('9.3.47 sends a key where Java sends it', async () => {
    const { world, producer } = await partitioned({}, 10);
    sendAll(
      producer,
      ['a', 'key1', 'order-12345', '日本語', ''].map((key) => ({ value: key, key })),
    );
    await pass(1);
    expect(partitionsOf(world).sort()).toEqual(
      ['', 'a', 'key1', 'order-12345', '日本語'].map((key, at) => `${key}:${[0, 7, 8, 4, 3][at]}`).sort(),
    );
  });

  it('9.3.47 sends a key where Java sends it by Murmur3, and bytes by their base64', async () => {
    const { world, producer } = await partitioned({ hashing: 'murmur3' }, 10);
    sendAll(producer, [
      ...['a', 'key1', 'order-12345', '日本語'].map((key) => ({ value: key, key })),
      { value: 'bytes', key: Buffer.from('AP+AfwE=', 'base64') },
      { value: 'its base64', key: 'AP+AfwE=' },
    ]);
    await pass(1);
    const sent = partitionsOf(world);
    expect(sent).toEqual(expect.arrayContaining(['a:0', 'key1:1', 'order-12345:8', '日本語:1']));
    const [bytes, text] = ['bytes', 'its base64'].map((name) => sent.find((one) => one.startsWith(`${name}:`))?.split(':')[1]);
    expect(bytes).toBe(text);
  });

  it('takes turns without a key, a batch each', async () => {
    const { world, producer } = await partitioned({ batching: { maxMessages: 2 } });
    sendAll(producer, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
    const order = world.connection.sent.map(({ producerId }) => producerId);
    expect(new Set(order).size).toBe(4);
    expect(order.map((at) => (at - order[0]! + 4) % 4)).toEqual([0, 1, 2, 3]);
  });

  it('takes turns message by message without batches', async () => {
    const { world, producer } = await partitioned({ batching: false });
    sendAll(producer, ['a', 'b', 'c', 'd']);
    expect(new Set(world.connection.sent.map(({ producerId }) => producerId)).size).toBe(4);
  });

  it('stays with one partition if asked to', async () => {
    const { world, producer } = await partitioned({ batching: false, routing: 'single-partition' });
    sendAll(producer, ['a', 'b', 'c', 'd']);
    expect(new Set(world.connection.sent.map(({ producerId }) => producerId)).size).toBe(1);
  });

  it('goes by a function, which must name a partition', async () => {
    const { world, producer } = await partitioned({ routing: ({ value }, partitions) => Number(value) + partitions - 4, batching: false });
    const sends = sendAll(producer, ['3', { value: '1', key: 'k' }, '9']);
    expect(partitionsOf(world)).toEqual(['3:3', '1:1']);
    expect(await sends.outcome(2)).toBe('INVALID_ARGUMENT');
  });

  it('shares its limit among the partitions, and wakes who waits for another one', async () => {
    const { world, producer } = await partitioned({
      routing: ({ value }) => Number(value),
      batching: false,
      maxPendingMessages: 2,
      blockIfQueueFull: true,
    });
    const sends = sendAll(producer, ['0', '0', '1', '2']);
    expect(producer.pendingMessages).toBe(2);
    world.connection.receipt(0, 0);
    world.connection.receipt(0, 1);
    expect(partitionsOf(world)).toEqual(['0:0', '0:0', '1:1', '2:2']);
    world.connection.receipt(1, 0);
    world.connection.receipt(2, 0);
    expect(await sends.outcomes()).toEqual(['7:0:0', '7:1:0', '7:0:1', '7:0:2']);
  });

  it('9.3.48 finds new partitions within a minute and gives them its name', async () => {
    const { world, producer } = await partitioned({ batching: false }, 2);
    world.partitions = 4;
    await pass(60_000);
    expect(producer.partitions).toBe(4);
    expect(world.connection.commands.at(-1)?.producer).toMatchObject({ producerName: 'standalone-0-1' });
    sendAll(producer, ['a', 'b', 'c', 'd']);
    expect(new Set(world.connection.sent.map(({ producerId }) => producerId)).size).toBe(4);
  });

  it('goes on with what it has if new partitions cannot be had, and looks again', async () => {
    const { world, producer } = await partitioned({ batching: false }, 2);
    world.partitions = 3;
    world.onProducer = (_producer, _answer, reject) => reject(new PulsarError('AUTHORIZATION', 'no'));
    await pass(60_000);
    expect(producer).toMatchObject({ partitions: 2, state: 'ready' });
    world.onProducer = (made, answer) => answer(success(made));
    await pass(60_000);
    expect(producer.partitions).toBe(3);
  });

  it('is not made at all if one partition cannot be had', async () => {
    const world = fakeWorld();
    world.partitions = 3;
    world.onProducer = (made, answer, reject) => {
      if (made.topic.endsWith('2')) reject(new PulsarError('AUTHORIZATION', 'no'));
      else answer(success(made));
    };
    const made = createProducer(world.context, { topic: 'orders' });
    made.catch(() => undefined);
    await pass(0);
    expect(await outcomeOf(made)).toBe('AUTHORIZATION');
    expect(world.connection.handlers.size).toBe(0);
  });

  it('flushes and closes all partitions', async () => {
    const { world, producer } = await partitioned({ routing: ({ value }) => Number(value), batching: { maxDelayMs: 1_000 } });
    const sends = sendAll(producer, ['0', '1', '2', '3']);
    const flushed = producer.flush();
    for (const id of [0, 1, 2, 3]) world.connection.receipt(id, 0);
    await flushed;
    expect(await sends.outcome(3)).toBe('7:0:3');
    await producer.close();
    expect(world.connection.handlers.size).toBe(0);
    expect(await outcomeOf(producer.send('0'))).toBe('ALREADY_CLOSED');
  });
});
