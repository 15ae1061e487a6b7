import { expect, it, onTestFinished } from 'vitest';
import type { PulsarError } from '../errors/pulsar-error.ts';
import { CompressionType } from '../gen/pulsar/wire_pb.ts';
import { createFaultProxy } from '../testing/fault-proxy.ts';
import { freshTopic } from '../testing/test-support.ts';
import { numbered, onStage, quiet, rawWriter, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage();

async function permitsOf(topic: string): Promise<number> {
  const { subscriptions } = await stage.admin.topics.stats(topic);
  return subscriptions['s']!.consumers[0]!.availablePermits;
}

it.each(['exclusive', 'shared'] as const)('9.4.57 never stalls with batches that are larger than its queue (%s)', async (type) => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', type, receiverQueueSize: 10 });
  for (let round = 0; round < 10; round++) await stage.send(topic, numbered('m', 100, round * 100));
  for (let round = 0; round < 10; round++) {
    const messages = await take(consumer, 100);
    expect(messages.map(textOf)).toEqual(numbered('m', 100, round * 100));
    await consumer.acknowledge(messages);
    const permits = await permitsOf(topic);
    // The broker sends as many whole batches as there are permits.
    expect(permits).toBeGreaterThanOrEqual(-1_000);
    expect(permits).toBeLessThanOrEqual(20);
  }
  await expect.poll(() => permitsOf(topic), soon).toBeGreaterThanOrEqual(5);
  expect(await permitsOf(topic)).toBeLessThanOrEqual(20);
});

it('9.4.57 asks for one message at a time without a queue', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', type: 'shared', receiverQueueSize: 0 });
  await stage.send(topic, numbered('m', 5), { batching: false });
  expect(await permitsOf(topic)).toBe(0);
  const other = await stage.subscribe({ topic, subscription: 's', type: 'shared' });
  expect(await takeTexts(other, 5)).toEqual(numbered('m', 5));
  await other.close();
  const two = [consumer.receive({ timeoutMs: 5_000 }), consumer.receive({ timeoutMs: 5_000 })];
  expect((await Promise.all(two)).map(textOf).sort()).toEqual(['m0', 'm1']);
  await stage.admin.topics.unload(topic);
  expect(await takeTexts(consumer, 5)).toEqual(numbered('m', 5));
  expect(await quiet(consumer)).toBe('nothing');
});

it('9.4.59 gets nothing while it is paused, over a reconnect too', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', receiverQueueSize: 2 });
  await stage.send(topic, numbered('m', 2), { batching: false });
  expect(await takeTexts(consumer, 2)).toEqual(['m0', 'm1']);
  consumer.pause();
  expect(consumer.paused).toBe(true);
  await stage.admin.topics.unload(topic);
  await expect.poll(() => consumer.connected, soon).toBe(false);
  await expect.poll(() => consumer.connected, soon).toBe(true);
  expect(await permitsOf(topic)).toBe(0);
  expect(await quiet(consumer)).toBe('nothing');
  consumer.resume();
  expect(await takeTexts(consumer, 2)).toEqual(['m0', 'm1']);
});

it('keeps receiving through cuts of the connection, in order, without loss', async () => {
  const topic = freshTopic();
  const proxy = await createFaultProxy({ target: stage.serviceUrl });
  onTestFinished(() => proxy.close());
  const consumer = await stage.subscribe(
    { topic, subscription: 's', receiverQueueSize: 20 },
    stage.newClient({ serviceUrl: proxy.serviceUrl, backoff: { initialMs: 10 } }),
  );
  await stage.send(topic, numbered('m', 1_000), { batching: { maxMessages: 7, maxDelayMs: 1 }, blockIfQueueFull: true });
  let next = 0;
  while (next < 1_000) {
    const [message] = await take(consumer, 1);
    const number = Number(textOf(message).slice(1));
    expect(number).toBeLessThanOrEqual(next);
    if (number === next) next += 1;
    await message!.acknowledge();
    if (Math.random() < 0.02) proxy.cutAll();
  }
});

it('9.4.78 passes over what is corrupt, and tells of it', async () => {
  const topic = freshTopic();
  const errors: PulsarError[] = [];
  const events = { onError: (error: PulsarError) => errors.push(error) };
  const consumer = await stage.subscribe({ topic, subscription: 's', receiverQueueSize: 2, events });
  await using raw = await rawWriter(stage.serviceUrl, topic);
  for (let round = 0; round < 3; round++) {
    await raw.send({ compression: CompressionType.ZLIB, uncompressedSize: 100 }, Buffer.from('no zlib'));
    await raw.send({ compression: 9 as CompressionType, uncompressedSize: 100 }, Buffer.from('no codec'));
    await raw.send({ numMessagesInBatch: 3 }, Buffer.from('no batch'));
    await raw.send({}, Buffer.from(`good ${round}`));
  }
  expect(await takeTexts(consumer, 3)).toEqual(['good 0', 'good 1', 'good 2']);
  expect(errors.map(({ code }) => code)).toEqual(new Array(9).fill('CORRUPT'));
  // All but the three good ones is acknowledged.
  await expect.poll(() => consumer.backlog(), soon).toBe(3);
});
