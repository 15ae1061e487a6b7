import { createPulsarAdmin, type PulsarAdmin } from '@paystream/pulsar/admin';
import { beforeAll, expect, it } from 'vitest';
import type { BrokerReader, BrokerSubscription, IncomingMessage } from '../broker/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { createPulsarBroker, type PulsarBroker } from './broker.ts';
import { freshName, type RealBroker, realBroker } from './test-support.ts';

let real: RealBroker;
let admin: PulsarAdmin;
beforeAll(async () => {
  real = await realBroker();
  admin = createPulsarAdmin({ url: real.adminUrl });
});

const textOf = ({ payload }: IncomingMessage): string => Buffer.from(payload).toString();

/** Receives up to so many within a time, or rejects. */
async function within(timeMs: number, from: BrokerSubscription | BrokerReader, max: number): Promise<readonly IncomingMessage[]> {
  const late = new AbortController();
  const timer = systemClock.setTimer(timeMs, () => late.abort(new Error(`nothing came within ${timeMs} ms`)));
  try {
    return await from.receive(max, late.signal);
  } finally {
    timer.cancel();
  }
}

/** The next messages, or fails. */
async function take(from: BrokerSubscription | BrokerReader, count: number): Promise<IncomingMessage[]> {
  const messages: IncomingMessage[] = [];
  while (messages.length < count) messages.push(...(await within(10_000, from, count - messages.length)));
  return messages;
}

async function isQuiet(from: BrokerSubscription): Promise<boolean> {
  return within(500, from, 1).then(
    () => false,
    () => true,
  );
}

/** A topic of three partitions with ten messages of each of six keys. */
async function sixKeys(broker: PulsarBroker): Promise<string> {
  const topic = freshName('parted');
  await admin.topics.createPartitioned(topic, 3);
  const producer = await broker.createProducer({ topic });
  for (let n = 0; n < 10; n++) {
    await producer.sendAll(Array.from({ length: 6 }, (_, key) => ({ key: `k${key}`, payload: Buffer.from(`k${key}:${n}`) })));
  }
  return topic;
}

const partitionOf = ({ id }: IncomingMessage): string | undefined => id.split(':')[2];

it('moves the cursor of one partition to a message of it, and loses nothing that is in hand of the others', async () => {
  await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl });
  const topic = await sixKeys(broker);
  const consumer = await broker.subscribe({ topic, subscription: 's', type: 'key-shared', initialPosition: 'earliest' });
  const all = await take(consumer, 60);
  const to = all[20] as IncomingMessage;
  const moved = all.filter((message) => partitionOf(message) === partitionOf(to));
  const others = all.filter((message) => partitionOf(message) !== partitionOf(to));
  expect(others.length).toBeGreaterThan(0);
  const [waiting = to, ...inHand] = others;
  consumer.negativeAcknowledge([waiting], 1_500);

  await consumer.seek({ messageId: to.id });
  const again = await take(consumer, moved.length - moved.indexOf(to));
  expect(again.map(textOf)).toEqual(moved.slice(moved.indexOf(to)).map(textOf));
  // What was given back before comes when it is due, and what is in hand can be acknowledged.
  const [back] = await take(consumer, 1);
  expect(back?.id).toBe(waiting.id);
  await consumer.acknowledge([...inHand, ...again, ...(back === undefined ? [] : [back])]);
  expect(await isQuiet(consumer)).toBe(true);
});

it('replays every partition from a time, though somebody waits to receive', async () => {
  await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl });
  const topic = await sixKeys(broker);
  const consumer = await broker.subscribe({ topic, subscription: 's', initialPosition: 'earliest' });
  for (let round = 0; round < 5; round++) {
    const first = await take(consumer, 60);
    await consumer.acknowledge(first);
    const waiting = within(10_000, consumer, 60);
    await consumer.seek({ timeMs: systemClock.now() - 600_000 });
    const again = [...(await waiting)];
    again.push(...(await take(consumer, 60 - again.length)));
    expect(new Set(again.map(textOf)).size).toBe(60);
    await consumer.seek('earliest');
  }
});

it('says which reader may have missed something: one whose topic was away, and no other', async () => {
  await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl });
  const [topic, other] = [await sixKeys(broker), await sixKeys(broker)];
  const reader = await broker.createReader({ topic, start: 'earliest' });
  const beside = await broker.createReader({ topic: other, start: 'earliest' });
  await take(reader, 60);
  expect([reader.gaps, beside.gaps]).toEqual([0, 0]);
  await admin.topics.unload(`${topic}-partition-1`);
  await expect.poll(() => reader.gaps, { timeout: 10_000 }).toBe(1);
  const producer = await broker.createProducer({ topic });
  await producer.sendAll(Array.from({ length: 6 }, (_, key) => ({ key: `k${key}`, payload: Buffer.from('later') })));
  expect((await take(reader, 6)).map(textOf)).toEqual(new Array(6).fill('later'));
  expect([reader.gaps, beside.gaps]).toEqual([1, 0]);
});

it('names those who keep a subscription from being removed, and goes on', async () => {
  await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl });
  const topic = freshName('kept');
  const one = await broker.subscribe({ topic, subscription: 's', type: 'shared' });
  const two = await broker.subscribe({ topic, subscription: 's', type: 'shared' });
  await expect(one.unsubscribe()).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    reason: 'SUBSCRIPTION_BUSY',
    retryable: false,
    details: { topic, subscription: 's' },
  });
  await two.close();
  const producer = await broker.createProducer({ topic });
  await producer.send({ payload: Buffer.from('m') });
  expect((await take(one, 1)).map(textOf)).toEqual(['m']);
  await one.unsubscribe();
  expect(await admin.subscriptions.list(topic)).toEqual([]);
});
