import { beforeAll, expect, it } from 'vitest';
import { z } from 'zod';
import type { BrokerSubscription } from '../broker/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { createConsumer } from '../consumer/consumer.ts';
import { createSqliteDatabase } from '../embedded/database/sqlite-database.ts';
import { outboxEvent } from '../outbox/event.ts';
import { createOutbox } from '../outbox/outbox.ts';
import { createProducer } from '../producer/producer.ts';
import { json } from '../topic/json-codec.ts';
import { defineTopic, type Topic } from '../topic/topic.ts';
import { createPulsarBroker } from './broker.ts';
import type { PulsarProducerOptions } from './options.ts';
import { freshName, type RealBroker, realBroker } from './test-support.ts';

interface Step {
  readonly key: string;
  readonly n: number;
}

const stepsTopic = (name: string): Topic<Step> =>
  defineTopic({ name: freshName(name), codec: json(z.object({ key: z.string(), n: z.number() })), key: (step) => step.key });

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = systemClock.monotonic() + 60_000; !(await holds()); await systemClock.sleep(20)) {
    if (systemClock.monotonic() > end) throw new Error(`${what}: not within 60 s`);
  }
}

let real: RealBroker;
beforeAll(async () => {
  real = await realBroker();
});

it('retries in the lane, keeps the order of each key and moves what fails for good, over a real broker', async () => {
  await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl });
  const topic = stepsTopic('lanes');
  const dead = await broker.subscribe({ topic: `${topic.name}-test-dlq`, subscription: 'look', initialPosition: 'earliest' });
  const attempts = new Map<string, number>();
  const handled: Step[] = [];
  const consumer = await createConsumer(broker, topic, {
    subscription: 'test',
    initialPosition: 'earliest',
    concurrency: 8,
    retry: { mode: 'in-lane', attempts: 3, delayMs: 10, maxDelayMs: 20 },
    handler: async (step) => {
      const name = `${step.key}${step.n}`;
      attempts.set(name, (attempts.get(name) ?? 0) + 1);
      if (name === 'k0-5') throw new Error('never');
      if (step.n % 7 === 3 && attempts.get(name) === 1) throw new Error('not at first');
      handled.push(step);
    },
  });
  const producer = await createProducer(broker, topic);
  const all = Array.from({ length: 400 }, (_, i): Step => ({ key: `k${i % 10}-`, n: Math.floor(i / 10) }));
  await Promise.all(all.map((step) => producer.send(step)));
  await until('all are handled', () => handled.length === 399);
  const letter = await dead.receive(10);
  expect(letter).toHaveLength(1);
  expect(JSON.parse(Buffer.from(letter[0]?.payload ?? []).toString())).toEqual({ key: 'k0-', n: 5 });
  expect(attempts.get('k0-5')).toBe(3);
  for (let key = 0; key < 10; key++) {
    const own = handled.filter((step) => step.key === `k${key}-`).map((step) => step.n);
    expect(own).toEqual(Array.from({ length: 40 }, (_, n) => n).filter((n) => key !== 0 || n !== 5));
  }
  await consumer.close();
  const rest = await broker.subscribe({ topic: topic.name, subscription: 'test', type: 'key-shared' });
  expect(await rest.backlog()).toBe(0);
});

it('pauses while the broker is away, goes on when it is back, and loses nothing nor sends it to dead letters', async () => {
  await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl, producer: { sendTimeoutMs: 1_500 }, operationTimeoutMs: 5_000 });
  const [orders, results] = [stepsTopic('orders'), stepsTopic('results')];
  const database = await createSqliteDatabase({ path: ':memory:' });
  const outbox = await createOutbox({ database, broker });
  const toResults = await createProducer(broker, results);
  const seen = new Set<string>();
  const relay = await createConsumer(broker, orders, {
    subscription: 'relay',
    initialPosition: 'earliest',
    retry: { mode: 'in-lane', attempts: 1 },
    handler: async (step) => {
      await systemClock.sleep(20);
      await toResults.send(step);
    },
  });
  const end = await createConsumer(broker, results, {
    subscription: 'end',
    initialPosition: 'earliest',
    handler: async (step) => {
      seen.add(`${step.key}${step.n}`);
    },
  });
  let n = 0;
  const add = async (count: number): Promise<void> => {
    for (const last = n + count; n < last; n++) {
      await database.transaction((tx) => outbox.add(tx, [outboxEvent(orders, { key: `k${n % 20}-`, n })]));
    }
  };
  await add(200);
  await until('some came through', () => seen.size > 20);
  await real.kill();
  await add(200);
  await until('the relay pauses', () => relay.status.state === 'paused');
  expect(relay.status.pausedBy).toContain('PULSAR_');
  await expect(broker.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await real.restart();
  await add(100);
  await until('all came through', () => seen.size === 500);
  await broker.ping();
  await outbox.flush();
  await relay.close();
  await end.close();
  await outbox.close();
  await database.close();
  for (const name of [`${orders.name}-relay-dlq`, `${results.name}-end-dlq`]) {
    const letters = await broker.subscribe({ topic: name, subscription: 'look', initialPosition: 'earliest' });
    expect(await letters.backlog()).toBe(0);
  }
});

it('stores what is sent together in an entry for each key, for each group of keys, or in one, as the topic needs it', async () => {
  const [keyed, grouped, whole] = [stepsTopic('keyed'), stepsTopic('grouped'), stepsTopic('whole')];
  const options: Readonly<Record<string, PulsarProducerOptions>> = { [grouped.name]: { keyGroups: 2 }, [whole.name]: { batching: {} } };
  await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl, producer: (topic) => options[topic] });
  const entriesOf = async ({ name }: Topic<Step>): Promise<number> => {
    const subscription = await broker.subscribe({ topic: name, subscription: 'look', initialPosition: 'earliest' });
    const producer = await broker.createProducer({ topic: name });
    await producer.sendAll(Array.from({ length: 30 }, (_, n) => ({ payload: Buffer.from(`${n}`), key: `k${n % 6}` })));
    const entries = await subscription.backlog();
    await subscription.close();
    return entries;
  };
  expect([await entriesOf(keyed), await entriesOf(grouped), await entriesOf(whole)]).toEqual([6, 2, 1]);
});

it('keeps the order of each key, and shares the keys among consumers, where keys share entries', async () => {
  const topic = freshName('groups');
  await using broker = createPulsarBroker({ serviceUrl: real.serviceUrl, producer: { keyGroups: 16 } });
  const join = (): Promise<BrokerSubscription> =>
    broker.subscribe({ topic, subscription: 'shared', type: 'key-shared', initialPosition: 'earliest' });
  const [producer, one, other] = await Promise.all([broker.createProducer({ topic }), join(), join()]);
  const [keys, rounds] = [50, 20];
  for (let round = 0; round < rounds; round++) {
    await producer.sendAll(Array.from({ length: keys }, (_, key) => ({ payload: Buffer.from(`${round}`), key: `k${key}` })));
  }
  const received = new Map<string, { readonly by: BrokerSubscription; readonly rounds: number[] }[]>();
  let left = keys * rounds;
  const receive = async (by: BrokerSubscription, stop: AbortSignal): Promise<void> => {
    while (left > 0) {
      const messages = await by.receive(100, stop).catch(() => []);
      for (const { key = '', payload } of messages) {
        const of = received.get(key) ?? [];
        received.set(key, of);
        if (of.at(-1)?.by !== by) of.push({ by, rounds: [] });
        of.at(-1)?.rounds.push(Number(Buffer.from(payload).toString()));
        left -= 1;
      }
      await by.acknowledge(messages);
      if (left === 0) stopping.abort();
    }
  };
  const stopping = new AbortController();
  await Promise.all([receive(one, stopping.signal), receive(other, stopping.signal)]);
  expect(received.size).toBe(keys);
  const inOrder = Array.from({ length: rounds }, (_, round) => round);
  for (const parts of received.values()) expect(parts.map((part) => part.rounds)).toEqual([inOrder]);
  expect(new Set([...received.values()].map(([part]) => part?.by)).size).toBe(2);
});
