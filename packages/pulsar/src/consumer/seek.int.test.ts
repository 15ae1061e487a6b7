import { expect, it } from 'vitest';
import { MessageId } from '../message/message-id.ts';
import { freshTopic } from '../testing/test-support.ts';
import type { Consumer } from './port.ts';
import { numbered, onStage, quiet, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage();

async function twenty(): Promise<{ topic: string; consumer: Consumer; middleMs: number }> {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  await stage.send(topic, numbered('m', 10), { batching: false });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const middleMs = Date.now();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await stage.send(topic, numbered('m', 10, 10), { batching: false });
  return { topic, consumer, middleMs };
}

it('9.4.67 goes to the beginning, the end, a message and a time', async () => {
  const { consumer, middleMs } = await twenty();
  const messages = await take(consumer, 20);
  await consumer.acknowledge(messages);
  await consumer.seek('earliest');
  expect(await takeTexts(consumer, 20)).toEqual(numbered('m', 20));
  await consumer.seek('latest');
  expect(await quiet(consumer)).toBe('nothing');
  await consumer.seek(messages[4]!.id);
  expect(await takeTexts(consumer, 15)).toEqual(numbered('m', 15, 5));
  await consumer.seek(messages[4]!.id, { inclusive: true });
  expect(await takeTexts(consumer, 16)).toEqual(numbered('m', 16, 4));
  await consumer.seek({ timeMs: middleMs });
  const late = await take(consumer, 10);
  expect(late.map(textOf)).toEqual(numbered('m', 10, 10));
  await consumer.acknowledge(late);
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
});

it('9.4.67 goes to a place inside a batch', async () => {
  const topic = freshTopic();
  for (const batchIndexAck of [false, true]) {
    const consumer = await stage.subscribe({ topic, subscription: `s${batchIndexAck}`, initialPosition: 'earliest', batchIndexAck });
    if (!batchIndexAck) for (const prefix of ['a', 'b']) await stage.send(topic, numbered(prefix, 5));
    const messages = await take(consumer, 10);
    await consumer.acknowledge(messages);
    await consumer.seek(messages[2]!.id);
    expect(await takeTexts(consumer, 7)).toEqual([...numbered('a', 2, 3), ...numbered('b', 5)]);
    await consumer.seek(messages[2]!.id, { inclusive: true });
    const again = await take(consumer, 8);
    expect(again.map(textOf)).toEqual([...numbered('a', 3, 2), ...numbered('b', 5)]);
    // What lies before the place does not hold the batch back.
    await consumer.acknowledge(again);
    await expect.poll(() => consumer.backlog(), soon).toBe(0);
  }
});

it('9.4.67 goes to a place inside a batch by an id that was kept as text', async () => {
  const topic = freshTopic();
  for (const batchIndexAck of [false, true]) {
    const consumer = await stage.subscribe({ topic, subscription: `s${batchIndexAck}`, initialPosition: 'earliest', batchIndexAck });
    if (!batchIndexAck) for (const prefix of ['a', 'b']) await stage.send(topic, numbered(prefix, 5));
    const messages = await take(consumer, 10);
    const kept = MessageId.parse(messages[2]!.id.toString());
    await consumer.acknowledge(messages);
    await consumer.seek(kept);
    expect(await takeTexts(consumer, 7)).toEqual([...numbered('a', 2, 3), ...numbered('b', 5)]);
    await consumer.seek(kept, { inclusive: true });
    const again = await take(consumer, 8);
    expect(again.map(textOf)).toEqual([...numbered('a', 3, 2), ...numbered('b', 5)]);
    await consumer.acknowledge(again);
    await expect.poll(() => consumer.backlog(), soon).toBe(0);
  }
});

it('9.4.67 goes to a message in chunks', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  const large = 'x'.repeat(25_000);
  await stage.send(topic, ['before'], { batching: false });
  await stage.send(topic, [large], { batching: false, chunking: { maxChunkBytes: 10_000 } });
  await stage.send(topic, ['after'], { batching: false });
  const messages = await take(consumer, 3);
  expect(messages[1]!.data.toString()).toBe(large);
  expect(messages[1]!.id.firstChunk).toBeDefined();
  await consumer.acknowledge(messages);
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
  await consumer.seek(messages[1]!.id, { inclusive: true });
  expect(await takeTexts(consumer, 2)).toEqual([large, 'after']);
  await consumer.seek(messages[1]!.id);
  const last = await take(consumer, 1);
  expect(last.map(textOf)).toEqual(['after']);
  await last[0]!.acknowledge();
  await expect.poll(() => consumer.backlog(), soon).toBe(0);
});

it('9.4.67 refuses a second seek while one is under way, and forgets what was received before', async () => {
  const { consumer } = await twenty();
  const messages = await take(consumer, 20);
  const first = consumer.seek('earliest');
  await expect(consumer.seek('latest')).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true, command: 'SEEK' });
  await first;
  await consumer.acknowledge(messages);
  messages[0]!.negativeAcknowledge({ delayMs: 1 });
  expect(await takeTexts(consumer, 20)).toEqual(numbered('m', 20));
  await consumer.close();
});

it('9.4.67 loses and doubles nothing by a seek during traffic', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', receiverQueueSize: 50 });
  await using producer = await stage.client.createProducer({ topic, blockIfQueueFull: true });
  let sent = 0;
  let sending = true;
  const traffic = (async () => {
    while (sending) await producer.send(`m${sent++}`);
  })();
  await take(consumer, 20);
  await consumer.seek('earliest');
  for (const from of [0, 100]) expect(await takeTexts(consumer, 100)).toEqual(numbered('m', 100, from));
  sending = false;
  await traffic;
  await consumer.seek({ timeMs: Date.now() - 600_000 });
  expect(await takeTexts(consumer, sent)).toEqual(numbered('m', sent));
});

it('9.4.68 survives a seek while the topic is being unloaded', async () => {
  const { topic, consumer } = await twenty();
  for (let round = 0; round < 5; round++) {
    const unload = stage.admin.topics.unload(topic);
    const seek = consumer.seek('earliest');
    await Promise.allSettled([unload, seek]);
    await consumer.seek('earliest');
    expect(await takeTexts(consumer, 20)).toEqual(numbered('m', 20));
  }
});

it('9.4.69 knows the last message of an empty topic, a plain one and one that ends with a batch', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  expect(await consumer.lastMessageIds()).toEqual([]);
  const [plain] = await stage.send(topic, ['one'], { batching: false });
  expect(String(await consumer.lastMessageIds())).toBe(String(plain));
  const batch = await stage.send(topic, numbered('m', 3));
  const [last] = await consumer.lastMessageIds();
  expect(String(last)).toBe(String(batch[2]));
  expect(last!.topic).toBe(topic);
  expect(MessageId.parse(String(last)).batchIndex).toBe(2);
});
