import { expect, it, onTestFinished } from 'vitest';
import { MessageId } from '../message/message-id.ts';
import { createFaultProxy } from '../testing/fault-proxy.ts';
import { freshTopic } from '../testing/test-support.ts';
import { numbered, onStage, quiet, soon, take, takeTexts, textOf } from './test-support.ts';

const stage = onStage();

async function backlogOf(topic: string): Promise<number> {
  const { subscriptions } = await stage.admin.topics.stats(topic);
  return subscriptions['s']!.msgBacklog;
}

it('9.4.60 leaves nothing in the backlog after single, cumulative and many acknowledgements', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  await stage.send(topic, numbered('m', 30), { batching: false });
  const messages = await take(consumer, 30);
  await messages[29]!.acknowledge();
  await expect.poll(() => backlogOf(topic), soon).toBe(29);
  await consumer.acknowledge(messages.slice(20, 29));
  await expect.poll(() => backlogOf(topic), soon).toBe(20);
  await consumer.acknowledgeCumulative(messages[9]!);
  await expect.poll(() => backlogOf(topic), soon).toBe(10);
  // Going back changes nothing.
  await consumer.acknowledgeCumulative(messages[4]!);
  await consumer.acknowledgeCumulative(messages[19]!.id);
  await expect.poll(() => backlogOf(topic), soon).toBe(0);
});

it('9.4.60 acknowledges a batch cumulatively up to the entry before it, and then as a whole', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  for (const prefix of ['a', 'b', 'c']) await stage.send(topic, numbered(prefix, 5));
  const messages = await take(consumer, 15);
  await consumer.acknowledgeCumulative(messages[7]!);
  await expect.poll(() => backlogOf(topic), soon).toBe(2);
  await consumer.close();
  const next = await stage.subscribe({ topic, subscription: 's' });
  expect(await takeTexts(next, 10)).toEqual([...numbered('b', 5), ...numbered('c', 5)]);
});

it('refuses cumulative acknowledgement where the type does not have it', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', type: 'shared' });
  await stage.send(topic, ['m']);
  const [message] = await take(consumer, 1);
  await expect(consumer.acknowledgeCumulative(message!)).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
});

it('9.4.61 delivers a batch again as a whole if a part of it is acknowledged', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  await stage.send(topic, numbered('m', 4));
  const messages = await take(consumer, 4);
  await messages[1]!.acknowledge();
  await consumer.close();
  const next = await stage.subscribe({ topic, subscription: 's' });
  expect(await takeTexts(next, 4)).toEqual(numbered('m', 4));
});

it('9.4.61 delivers only the rest of a batch again with batch index acknowledgements', async () => {
  const topic = freshTopic();
  const options = { topic, subscription: 's', batchIndexAck: true } as const;
  const consumer = await stage.subscribe(options);
  await stage.send(topic, numbered('m', 70));
  const messages = await take(consumer, 70);
  await messages[1]!.acknowledge();
  await messages[66]!.acknowledge();
  await consumer.close();

  const second = await stage.subscribe(options);
  const rest = await take(second, 68);
  expect(rest.map(textOf)).toEqual(numbered('m', 70).filter((text) => text !== 'm1' && text !== 'm66'));
  // By ids that were kept outside.
  const kept = rest.slice(0, 2).map(({ id }) => MessageId.fromBytes(id.toBytes()));
  await second.acknowledge(kept);
  await second.acknowledgeCumulative(rest[60]!);
  await second.close();

  const third = await stage.subscribe(options);
  expect(await takeTexts(third, 7)).toEqual(rest.slice(61).map(textOf));
  expect(await quiet(third)).toBe('nothing');
});

it('acknowledges by ids that were kept outside, a batch when all of it is', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  await stage.send(topic, numbered('m', 3));
  await stage.send(topic, ['n'], { batching: false });
  const ids = (await take(consumer, 4)).map(({ id }) => id);
  const [one, two, three] = ids.map((id) => MessageId.fromBytes(id.toBytes()));
  await consumer.acknowledge([one!, two!]);
  await consumer.acknowledge(MessageId.parse(ids[3]!.toString()));
  await expect.poll(() => backlogOf(topic), soon).toBe(1);
  await consumer.acknowledge(three!);
  await expect.poll(() => backlogOf(topic), soon).toBe(0);
  await expect(consumer.acknowledge(MessageId.parse('1:2:-1:3'))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

it('9.4.62 waits for the broker with receipts, and does not hang when the connection goes before the answer', async () => {
  const topic = freshTopic();
  const proxy = await createFaultProxy({ target: stage.serviceUrl });
  onTestFinished(() => proxy.close());
  const client = stage.newClient({ serviceUrl: proxy.serviceUrl });
  const consumer = await stage.subscribe({ topic, subscription: 's', ackReceipt: true, ackGroupTimeMs: 0 }, client);
  await stage.send(topic, numbered('m', 3), { batching: false });
  const messages = await take(consumer, 3);
  await messages[0]!.acknowledge();
  expect(await backlogOf(topic)).toBe(2);
  proxy.stallAll();
  const lost = messages[1]!.acknowledge();
  proxy.cutAll();
  await expect(lost).rejects.toMatchObject({ code: 'NOT_CONNECTED', retryable: true });
  proxy.resume();
  // Kept while there is no connection, and sent with the next.
  await messages[2]!.acknowledge();
  expect(await takeTexts(consumer, 1)).toEqual(['m1']);
});

it('9.4.63 does not deliver again what was acknowledged just before the topic moved', async () => {
  const topic = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's', ackGroupTimeMs: 60_000 });
  await stage.send(topic, numbered('m', 10), { batching: false });
  for (const message of (await take(consumer, 10)).slice(0, 6)) await message.acknowledge();
  await stage.admin.topics.unload(topic);
  expect(await takeTexts(consumer, 4)).toEqual(numbered('m', 4, 6));
  expect(await quiet(consumer)).toBe('nothing');
  await expect.poll(() => backlogOf(topic), soon).toBe(4);
});

it('takes nothing out of the flow when acknowledgements are of another consumer', async () => {
  const topic = freshTopic();
  const other = freshTopic();
  const consumer = await stage.subscribe({ topic, subscription: 's' });
  const stranger = await stage.subscribe({ topic: other, subscription: 's' });
  await stage.send(other, ['m']);
  const [message] = await take(stranger, 1);
  await consumer.acknowledge(message!);
  expect(await backlogOf(other)).toBe(1);
});
