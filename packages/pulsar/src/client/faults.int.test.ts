import { createHmac } from 'node:crypto';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { token } from '../connection/auth/static.ts';
import type { Consumer } from '../consumer/port.ts';
import { runProgram } from '../endurance/test-support.ts';
import type { PulsarEvent } from '../events/events.ts';
import { createFaultProxy, type FaultProxy } from '../testing/fault-proxy.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';
import { createPulsarClient, type PulsarClient } from './client.ts';
import type { PulsarClientOptions } from './options.ts';

let broker: RealBroker;
beforeAll(async () => {
  broker = await realBroker();
});

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function openClient(options: PulsarClientOptions): { readonly client: PulsarClient; readonly events: PulsarEvent[] } {
  const events: PulsarEvent[] = [];
  const client = createPulsarClient({ onEvent: (event) => events.push(event), ...options });
  closers.push(() => client.close());
  return { client, events };
}

async function openProxy(): Promise<FaultProxy> {
  const proxy = await createFaultProxy({ target: broker.serviceUrl });
  closers.push(() => proxy.close());
  return proxy;
}

/** Reads until `count` different texts are there, and returns all in the order of their first coming. */
async function readTexts(consumer: Consumer<Buffer>, count: number): Promise<string[]> {
  const texts = new Set<string>();
  while (texts.size < count) {
    const message = await consumer.receive();
    texts.add(message.data.toString());
    await message.acknowledge();
  }
  return [...texts];
}

const numbers = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, index) => String(from + index));

it('9.1.12 delivers what was sent over a half-open link, once it is noticed', { timeout: 60_000 }, async () => {
  const proxy = await openProxy();
  const { client, events } = openClient({ serviceUrl: proxy.serviceUrl, keepAliveMs: 500 });
  const topic = freshTopic();
  const consumer = await client.subscribe({ topic, subscription: 's', initialPosition: 'earliest' });
  const producer = await client.createProducer({ topic });
  await Promise.all(numbers(0, 10).map((value) => producer.send({ value })));
  proxy.stallAll();
  const pending = numbers(10, 60).map((value) => producer.send({ value }));
  await expect.poll(() => events.some(({ type }) => type === 'closed'), { timeout: 20_000 }).toBe(true);
  proxy.resume();
  await Promise.all(pending);
  expect(await readTexts(consumer, 60)).toEqual(numbers(0, 60));
});

it('delivers everything in order over a slow network, and does not give the connection up', { timeout: 120_000 }, async () => {
  const proxy = await openProxy();
  // A round trip takes 300 ms, and 2 MB some 5 s: much longer than a link may be silent.
  proxy.setFaults({ delayMs: 150, bytesPerSecond: 400_000, pieceBytes: 8_192 });
  const { client, events } = openClient({ serviceUrl: proxy.serviceUrl, keepAliveMs: 1_000 });
  const topic = freshTopic();
  const consumer = await client.subscribe({ topic, subscription: 's', receiverQueueSize: 100 });
  const producer = await client.createProducer({ topic, maxPendingMessages: 200, blockIfQueueFull: true });
  const payload = 'x'.repeat(2_000);
  const startedMs = performance.now();
  const sent = Promise.all(numbers(0, 1_000).map((value) => producer.send({ value: `${value} ${payload}` })));
  const received: string[] = [];
  while (received.length < 1_000) {
    const message = await consumer.receive();
    received.push(message.data.toString().split(' ')[0] ?? '');
    await message.acknowledge();
  }
  await sent;
  expect(received).toEqual(numbers(0, 1_000));
  expect(performance.now() - startedMs).toBeGreaterThan(4_000);
  await expect.poll(() => consumer.backlog(), { timeout: 10_000 }).toBe(0);
  expect(events.filter(({ type }) => type === 'closed')).toEqual([]);
});

it('9.1.16 brings two producers and three consumers back over one new connection', { timeout: 60_000 }, async () => {
  const proxy = await openProxy();
  const { client, events } = openClient({ serviceUrl: proxy.serviceUrl });
  const topics = [freshTopic(), freshTopic()] as const;
  const producers = await Promise.all(topics.map((topic) => client.createProducer({ topic })));
  const subscribe = (topic: string, subscription: string): Promise<Consumer<Buffer>> => client.subscribe({ topic, subscription });
  const consumers = await Promise.all([subscribe(topics[0], 'a'), subscribe(topics[0], 'b'), subscribe(topics[1], 'a')]);
  const before = proxy.accepted;
  expect(proxy.cutAll()).toBe(before);
  await Promise.all(producers.flatMap((producer) => numbers(0, 20).map((value) => producer.send({ value }))));
  for (const consumer of consumers) expect(await readTexts(consumer, 20)).toEqual(numbers(0, 20));
  const connects = events.filter(({ type }) => type === 'connected').length;
  expect(connects).toBeLessThanOrEqual(before * 2);
});

it('9.1.6 loses no message while tokens expire', { timeout: 60_000 }, async () => {
  const { serviceUrl, secrets } = await realBroker('secure');
  const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const shortToken = (): string => {
    const body = `${base64url({ alg: 'HS256' })}.${base64url({ sub: 'admin', exp: Math.floor(Date.now() / 1_000) + 2 })}`;
    const key = Buffer.from(secrets?.tokenKey ?? '', 'base64');
    return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
  };
  const { client, events } = openClient({ serviceUrl, authentication: token(shortToken) });
  const topic = freshTopic();
  const consumer = await client.subscribe({ topic, subscription: 's' });
  const producer = await client.createProducer({ topic });
  let sent = 0;
  while (events.filter(({ type }) => type === 'credentials-refreshed').length < 2) {
    await producer.send({ value: String(sent) });
    sent += 1;
  }
  expect(await readTexts(consumer, sent)).toEqual(numbers(0, sent));
  expect(events.some(({ type }) => type === 'closed')).toBe(false);
});

it('9.1.17 settles everything when the client closes in the middle of work', { timeout: 60_000 }, async () => {
  const { client } = openClient({ serviceUrl: broker.serviceUrl });
  const topic = freshTopic();
  const consumer = await client.subscribe({ topic, subscription: 's' });
  const producer = await client.createProducer({ topic });
  const work = [consumer.receive(), ...numbers(0, 100).map((value) => producer.send({ value }))];
  const outcomes = Promise.allSettled([...work, consumer.receive(), client.close()]);
  for (const outcome of await outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ALREADY_CLOSED' });
  }
  await expect(producer.send({ value: 'late' })).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
  await expect(client.createProducer({ topic })).rejects.toMatchObject({ code: 'ALREADY_CLOSED' });
});

it('9.1.17 leaves no timer and no socket of all that a client can make', { timeout: 60_000 }, async () => {
  const work = { serviceUrl: broker.serviceUrl, adminUrl: broker.adminUrl, topic: freshTopic() };
  const { said, code, errors } = await runProgram(new URL('./close-everything.fixture.ts', import.meta.url), work);
  expect(said, errors).toEqual([{ settled: ['ALREADY_CLOSED'], handles: [] }]);
  expect(code, errors).toBe(0);
});
