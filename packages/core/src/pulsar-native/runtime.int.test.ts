import { createPulsarAdmin } from '@paystream/pulsar/admin';
import { beforeAll, expect, it } from 'vitest';
import type { BrokerReader, BrokerSubscription, IncomingMessage } from '../broker/port.ts';
import { freshName, type RealBroker, realBroker } from '../pulsar/test-support.ts';
import { createPulsarNativeBroker } from './broker.ts';
import { addonUnderTest } from './test-support.ts';

let real: RealBroker;
beforeAll(async () => {
  real = await realBroker();
});

const textOf = ({ payload }: IncomingMessage): string => Buffer.from(payload).toString();
const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `m${n}`);

/** The next messages; the test's own time-out ends it where they do not come. */
async function take(from: BrokerSubscription | BrokerReader, count: number): Promise<IncomingMessage[]> {
  const messages: IncomingMessage[] = [];
  while (messages.length < count) messages.push(...(await from.receive(count - messages.length)));
  return messages;
}

it('reads a topic with partitions, and says that its cursor cannot be moved to a message', async () => {
  const admin = createPulsarAdmin({ url: real.adminUrl });
  await using broker = createPulsarNativeBroker({ serviceUrl: real.serviceUrl, addon: addonUnderTest });
  const topic = freshName('parted');
  await admin.topics.createPartitioned(topic, 3);
  const consumer = await broker.subscribe({ topic, subscription: 's', initialPosition: 'earliest', maxUnacknowledged: 5 });
  const reader = await broker.createReader({ topic, start: 'earliest' });
  const producer = await broker.createProducer({ topic });
  await producer.sendAll(numbered(30).map((text, n) => ({ payload: Buffer.from(text), key: `k${n % 7}` })));
  const seen: string[] = [];
  while (seen.length < 30) {
    const messages = await take(consumer, 1);
    seen.push(...messages.map(textOf));
    if (seen.length === 1) {
      const id = (messages[0] as IncomingMessage).id;
      await expect(consumer.seek({ messageId: id })).rejects.toMatchObject({ code: 'UNSUPPORTED', reason: 'PULSAR_CANNOT_DO_IT' });
    }
    await consumer.acknowledge(messages);
  }
  expect(seen.sort()).toEqual(numbered(30).sort());
  expect((await take(reader, 30)).map(textOf).sort()).toEqual(numbered(30).sort());
});

it('keeps one message from the other consumers at most, where it may hold one', async () => {
  await using broker = createPulsarNativeBroker({ serviceUrl: real.serviceUrl, addon: addonUnderTest });
  const topic = freshName('busy');
  const join = (maxUnacknowledged: number): Promise<BrokerSubscription> =>
    broker.subscribe({ topic, subscription: 's', type: 'shared', initialPosition: 'earliest', maxUnacknowledged });
  const busy = await join(1);
  const producer = await broker.createProducer({ topic });
  const [first, ...others] = numbered(5).map((text) => ({ payload: Buffer.from(text) }));
  if (first !== undefined) await producer.send(first);
  const held = await take(busy, 1);
  const idle = await join(1_000);
  for (const other of others) await producer.send(other);
  const got = await take(idle, 3);
  await busy.acknowledge(held);
  const done = new AbortController();
  const last = [busy, idle].map((consumer) => consumer.receive(1, done.signal));
  got.push(...(await Promise.race(last)));
  done.abort();
  await Promise.allSettled(last);
  expect(got.map(textOf).sort()).toEqual(['m1', 'm2', 'm3', 'm4']);
});

it('holds up no subscription for a reader of which nobody receives', async () => {
  await using broker = createPulsarNativeBroker({ serviceUrl: real.serviceUrl, addon: addonUnderTest });
  const [full, other] = [freshName('full'), freshName('other')];
  const reader = await broker.createReader({ topic: full });
  const consumer = await broker.subscribe({ topic: other, subscription: 's' });
  const [toFull, toOther] = [await broker.createProducer({ topic: full }), await broker.createProducer({ topic: other })];
  await toFull.sendAll(numbered(1_500).map((text) => ({ payload: Buffer.from(text) })));
  // When this comes, what was sent before has come to the reader, and it is full.
  const late = await broker.subscribe({ topic: full, subscription: 's', initialPosition: 'earliest', maxUnacknowledged: 2_000 });
  await take(late, 1_500);
  const waiting = take(consumer, 1);
  await toOther.send({ payload: Buffer.from('x') });
  expect((await waiting).map(textOf)).toEqual(['x']);
  expect((await take(reader, 1_500)).map(textOf)).toEqual(numbered(1_500));
});

it('begins to read in the middle of much, once and in order', async () => {
  await using broker = createPulsarNativeBroker({ serviceUrl: real.serviceUrl, addon: addonUnderTest });
  const topic = freshName('much');
  const producer = await broker.createProducer({ topic });
  const all = numbered(2_000);
  for (let at = 0; at < all.length; at += 10) {
    await producer.sendAll(all.slice(at, at + 10).map((text) => ({ payload: Buffer.from(text), key: 'k' })));
  }
  const first = await broker.createReader({ topic, start: 'earliest' });
  const messages = await take(first, all.length);
  expect(messages.map(textOf)).toEqual(all);
  for (const at of numbered(20).map((_, round) => 5 + round * 50)) {
    const reader = await broker.createReader({ topic, start: { messageId: (messages[at] as IncomingMessage).id } });
    expect((await take(reader, all.length - at)).map(textOf)).toEqual(all.slice(at));
    await reader.close();
  }
});

it('begins to read a topic with partitions, each of which comes whole and in order', async () => {
  await using broker = createPulsarNativeBroker({ serviceUrl: real.serviceUrl, addon: addonUnderTest });
  const topic = freshName('much-parted');
  await createPulsarAdmin({ url: real.adminUrl }).topics.createPartitioned(topic, 3);
  const producer = await broker.createProducer({ topic });
  const all = numbered(900);
  for (let at = 0; at < all.length; at += 30) {
    await producer.sendAll(all.slice(at, at + 30).map((text, n) => ({ payload: Buffer.from(text), key: `k${n % 7}` })));
  }
  for (let round = 0; round < 30; round++) {
    const reader = await broker.createReader({ topic, start: 'earliest' });
    const messages = await take(reader, all.length);
    expect(messages.map(textOf).sort()).toEqual([...all].sort());
    const byKey = Map.groupBy(messages, ({ key }) => key);
    expect(byKey.size).toBe(7);
    for (const ofKey of byKey.values()) {
      const numbers = ofKey.map((message) => Number(textOf(message).slice(1)));
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
    await reader.close();
  }
});

it('says that the broker is away, and goes on with what was not acknowledged when it is back', async () => {
  await using broker = createPulsarNativeBroker({ serviceUrl: real.serviceUrl, addon: addonUnderTest, pingTimeoutMs: 2_000 });
  const topic = freshName('away');
  const consumer = await broker.subscribe({ topic, subscription: 's', type: 'key-shared', initialPosition: 'earliest' });
  const reader = await broker.createReader({ topic, start: 'earliest' });
  const producer = await broker.createProducer({ topic });
  await producer.sendAll(numbered(10).map((text) => ({ payload: Buffer.from(text), key: 'k' })));
  const [first, ...rest] = await take(consumer, 10);
  await take(reader, 10);
  const waiting = take(consumer, 1);
  await real.kill();
  await expect(broker.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await real.restart();
  await broker.ping();
  await expect.poll(() => reader.gaps, { timeout: 60_000 }).toBe(1);
  await producer.send({ payload: Buffer.from('later'), key: 'k' });
  // What is in hand is not handed out again.
  expect((await waiting).map(textOf)).toEqual(['later']);
  await consumer.acknowledge(rest);
  consumer.negativeAcknowledge([first as IncomingMessage], 0);
  expect((await take(consumer, 1)).map(textOf)).toEqual(['m0']);
  expect((await take(reader, 1)).map(textOf)).toEqual(['later']);
});
