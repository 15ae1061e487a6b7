import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPulsarAdmin, type PulsarAdmin } from '../admin/index.ts';
import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import type { Consumer } from '../consumer/port.ts';
import type { PulsarErrorCode } from '../errors/pulsar-error.ts';
import { createFaultProxy, type FaultProxy } from '../testing/fault-proxy.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';
import type { Producer } from './producer.ts';

let broker: RealBroker;
let admin: PulsarAdmin;
/** Straight to the broker: what is in the topics. */
let observer: PulsarClient;
let proxy: FaultProxy;
/** Through the proxy. */
let client: PulsarClient;
beforeAll(async () => {
  broker = await realBroker('mortal');
  admin = createPulsarAdmin({ url: broker.adminUrl });
  observer = createPulsarClient({ serviceUrl: broker.serviceUrl });
  proxy = await createFaultProxy({ target: broker.serviceUrl });
  client = createPulsarClient({ serviceUrl: proxy.serviceUrl, backoff: { initialMs: 10, maxMs: 200 } });
});
afterAll(async () => {
  await client.close();
  await observer.close();
  await proxy.close();
});

/** The numbers in a topic, in order, up to its end. */
async function numbersIn(topic: string): Promise<number[]> {
  await using reader = await observer.createReader({ topic, start: 'earliest' });
  const numbers: number[] = [];
  while (await reader.hasMessageAvailable()) {
    const message = await reader.receive({ timeoutMs: 20_000 });
    if (message !== undefined) numbers.push(Number(message.data.toString().split(' ')[0]));
  }
  return numbers;
}

/** What became of sends, by their number. */
interface Outcomes {
  readonly stored: Set<number>;
  readonly failed: Map<number, PulsarErrorCode>;
}

/** Sends numbers, so many a second, until told to stop; resolves when every send is settled. */
async function sendNumbers(producer: Producer, perSecond: number, until: Promise<unknown>): Promise<Outcomes> {
  const outcomes: Outcomes = { stored: new Set(), failed: new Map() };
  const sends: Promise<void>[] = [];
  let over = false;
  const stop = (): void => {
    over = true;
  };
  until.then(stop, stop);
  const start = performance.now();
  while (!over) {
    for (const due = ((performance.now() - start) / 1_000) * perSecond; sends.length < due; ) {
      const number = sends.length;
      sends.push(
        producer.send({ value: `${number} ${'x'.repeat(number % 200)}`, key: `k${number % 5}` }).then(
          () => {
            outcomes.stored.add(number);
          },
          (error: { code: PulsarErrorCode }) => {
            outcomes.failed.set(number, error.code);
          },
        ),
      );
    }
    await delay(5);
  }
  await Promise.all(sends);
  await until;
  return outcomes;
}

/** Receives and acknowledges numbers until the consumer is closed. */
function receiveNumbers(consumer: Consumer): number[] {
  const numbers: number[] = [];
  const receive = async (): Promise<void> => {
    for await (const message of consumer) {
      numbers.push(Number(message.data.toString().split(' ')[0]));
      // Acknowledged later, maybe, if the connection is lost meanwhile.
      message.acknowledge().catch(() => undefined);
    }
  };
  receive().catch(() => undefined);
  return numbers;
}

/** A namespace whose broker drops duplicates. */
async function dedupTopic(): Promise<string> {
  await admin.namespaces.create('public/dedup').catch(() => undefined);
  await admin.namespaces.setDeduplication('public/dedup', true);
  return freshTopic().replace('public/default', 'public/dedup');
}

describe('nothing is lost, doubled or put out of order', () => {
  it('9.3.37 when the topic is unloaded again and again at 1,000 messages a second', async () => {
    const topic = await dedupTopic();
    const producer = await client.createProducer({ topic, name: 'p', maxPendingMessages: 100_000, sendTimeoutMs: 0 });
    const unloads = async (): Promise<void> => {
      for (let times = 0; times < 5; times++) {
        await delay(800);
        await admin.topics.unload(topic);
      }
      await delay(500);
    };
    const outcomes = await sendNumbers(producer, 1_000, unloads());
    await producer.close();
    const numbers = await numbersIn(topic);
    expect(outcomes.failed.size).toBe(0);
    expect(outcomes.stored.size).toBeGreaterThan(3_000);
    expect(numbers).toEqual(Array.from({ length: outcomes.stored.size }, (_, at) => at));
  });

  it('9.3.38 when a bundle with 20 topics is unloaded', async () => {
    const topics = Array.from({ length: 20 }, () => freshTopic());
    const producers = await Promise.all(topics.map((topic) => client.createProducer({ topic })));
    await Promise.all(producers.map((producer) => producer.send('0')));
    const bundles = new Set(await Promise.all(topics.map((topic) => admin.topics.bundle(topic))));
    const sends = producers.map((producer) => producer.send('1'));
    await Promise.all([...bundles].map((bundle) => admin.namespaces.unload('public/default', bundle)));
    sends.push(...producers.map((producer) => producer.send('2')));
    await Promise.all(sends);
    await expect.poll(() => producers.every(({ state }) => state === 'ready'), { timeout: 20_000 }).toBe(true);
    for (const topic of topics) expect([...new Set(await numbersIn(topic))]).toEqual([0, 1, 2]);
    await Promise.all(producers.map((producer) => producer.close()));
  });

  it('9.3.39 when the broker is killed and restarted under load', async () => {
    const topic = await dedupTopic();
    const producer = await client.createProducer({ topic, name: 'p', maxPendingMessages: 1_000_000, sendTimeoutMs: 0 });
    const restart = async (): Promise<void> => {
      await delay(1_000);
      await broker.kill();
      await broker.restart();
      await expect.poll(() => producer.state, { timeout: 30_000 }).toBe('ready');
      await delay(500);
    };
    const outcomes = await sendNumbers(producer, 500, restart());
    await producer.close();
    expect(outcomes.failed.size).toBe(0);
    expect(await numbersIn(topic)).toEqual(Array.from({ length: outcomes.stored.size }, (_, at) => at));
  });

  it('when 1,000 connections are cut at random bytes', async () => {
    const cutter = await createFaultProxy({ target: broker.serviceUrl });
    const topics = [await dedupTopic(), await dedupTopic(), await dedupTopic(), freshTopic(), freshTopic(), freshTopic()];
    const parties = await Promise.all(
      topics.map(async (topic, at) => {
        const cut = createPulsarClient({ serviceUrl: cutter.serviceUrl, backoff: { initialMs: 1, maxMs: 10 }, operationTimeoutMs: 10_000 });
        const consumer = await cut.subscribe({ topic, subscription: 's', initialPosition: 'earliest', ackGroupTimeMs: 10 });
        const pending = { maxPendingMessages: 1_000_000, sendTimeoutMs: 0 };
        const producer = await cut.createProducer({ topic, name: `p${at}`, batching: at % 2 === 0 ? {} : false, ...pending });
        return { topic, cut, consumer, producer, received: receiveNumbers(consumer) };
      }),
    );
    cutter.setFaults((connection) => {
      const random = (connection * 2_654_435_761) % 4_294_967_296;
      return connection % 3 === 0
        ? { cut: { direction: 'down', afterBytes: 100 + (random % 3_000) } }
        : { cut: { direction: 'up', afterBytes: 200 + (random % 5_000) } };
    });
    cutter.cutAll();
    const cuts = async (): Promise<void> => {
      while (cutter.accepted < 1_000) await delay(20);
      cutter.setFaults({});
      cutter.cutAll();
    };
    const until = cuts();
    const outcomes = await Promise.all(parties.map(({ producer }) => sendNumbers(producer, 200, until)));
    for (const [at, { topic, received }] of parties.entries()) {
      const { failed, stored } = outcomes[at] as Outcomes;
      expect(failed.size).toBe(0);
      const sent = Array.from({ length: stored.size }, (_, number) => number);
      const numbers = await numbersIn(topic);
      if (at < 3) expect(numbers).toEqual(sent);
      expect([...new Set(numbers)]).toEqual(sent);
      // Whatever was not acknowledged may come again, but nothing is left out and nothing comes before its turn.
      await expect.poll(() => new Set(received).size, { timeout: 30_000 }).toBe(sent.length);
      expect([...new Set(received)]).toEqual(sent);
    }
    await Promise.all(parties.map(({ cut }) => cut.close()));
    await cutter.close();
  });
});

describe('while the broker cannot be reached', () => {
  it('9.3.40 everything pending is rejected at the send time-out, and later sends work', async () => {
    const topic = freshTopic();
    await using producer = await client.createProducer({ topic, sendTimeoutMs: 1_500 });
    await producer.send('0');
    proxy.refuse(true);
    proxy.cutAll();
    const since = performance.now();
    const outcomes = await Promise.allSettled(['1', '2', '3'].map((value) => producer.send(value)));
    expect(performance.now() - since).toBeGreaterThan(1_400);
    // Not at the default, with all that a busy machine adds.
    expect(performance.now() - since).toBeLessThan(10_000);
    expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'stored'))).toEqual([
      'TIMEOUT',
      'TIMEOUT',
      'TIMEOUT',
    ]);
    proxy.refuse(false);
    await producer.send('4');
    expect(await numbersIn(topic)).toEqual([0, 4]);
  });

  it('9.3.42 and its old session is half open, the same name is taken back in seconds', async () => {
    const topic = freshTopic();
    const link = await createFaultProxy({ target: broker.serviceUrl });
    const patient = createPulsarClient({ serviceUrl: link.serviceUrl, keepAliveMs: 500 });
    const producer = await patient.createProducer({ topic, name: 'mine' });
    await producer.send('0');
    link.stallAll();
    const sent = producer.send('1');
    await expect.poll(() => producer.state, { timeout: 10_000 }).toBe('connecting');
    link.resume();
    await sent;
    await patient.close();
    await link.close();
    expect([...new Set(await numbersIn(topic))]).toEqual([0, 1]);
  });
});

describe('bytes that change on the way', () => {
  it('9.3.34 to the broker are sent again until it has them as they were', async () => {
    const topic = freshTopic();
    const link = await createFaultProxy({ target: broker.serviceUrl });
    const victim = createPulsarClient({ serviceUrl: link.serviceUrl });
    // In the third of the messages, on the connection that they take.
    link.setFaults((connection) => (connection === 1 ? { corrupt: { direction: 'up', at: 25_000 } } : {}));
    const producer = await victim.createProducer({ topic, batching: false });
    const values = Array.from({ length: 5 }, (_, at) => `${at} ${'abcdefghij'.repeat(1_000)}`);
    await Promise.all(values.map((value) => producer.send(value)));
    await victim.close();
    await link.close();
    await using reader = await observer.createReader({ topic, start: 'earliest' });
    const texts: string[] = [];
    while (await reader.hasMessageAvailable()) texts.push((await reader.receive()).data.toString());
    expect([...new Set(texts)].sort()).toEqual(values);
    // Sent again were those behind it too.
    expect(texts.length).toBeGreaterThan(values.length);
  });
});

describe('chunks', () => {
  it('9.3.33 of a producer that is killed in the middle are dropped, and what follows arrives', async () => {
    const topic = freshTopic();
    const link = await createFaultProxy({ target: broker.serviceUrl });
    const dying = createPulsarClient({ serviceUrl: link.serviceUrl });
    const producer = await dying.createProducer({ topic, chunking: { maxChunkBytes: 100_000 }, batching: false });
    await using consumer = await observer.subscribe({ topic, subscription: 's', chunkExpiryMs: 500 });
    link.cutAll();
    link.setFaults({ cut: { direction: 'up', afterBytes: 550_000 } });
    const half = producer.send(Buffer.alloc(1_000_000, 'x')).catch((error: { code: string }) => error.code);
    await expect.poll(async () => (await admin.topics.stats(topic)).msgInCounter, { timeout: 20_000 }).toBeGreaterThan(2);
    link.refuse(true);
    await dying.close();
    expect(await half).toBe('ALREADY_CLOSED');
    await link.close();
    await using next = await observer.createProducer({ topic });
    await next.send('whole');
    const message = await consumer.receive();
    expect(message.data.toString()).toBe('whole');
    await message.acknowledge();
    await expect.poll(() => consumer.backlog(), { timeout: 20_000 }).toBe(0);
  });
});
