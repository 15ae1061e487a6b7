import { afterEach, beforeAll, expect, it } from 'vitest';
import { createPulsarAdmin } from '../admin/index.ts';
import { createContext, type OwnedContext } from '../client/create-context.ts';
import type { PulsarClientOptions } from '../client/options.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';

let broker: RealBroker;
const opened: OwnedContext[] = [];
beforeAll(async () => {
  broker = await realBroker();
});
afterEach(async () => {
  for (const owned of opened.splice(0)) await owned.close();
});

function context(serviceUrl = broker.serviceUrl, options: Partial<PulsarClientOptions> = {}): OwnedContext['context'] {
  const owned = createContext({ serviceUrl, ...options });
  opened.push(owned);
  return owned.context;
}

it('9.2.22 says that a namespace is missing, at once', async () => {
  const started = performance.now();
  await expect(context().lookup.topic('public/no-such-namespace/t')).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  expect(performance.now() - started).toBeLessThan(5_000);
});

it('9.2.25 does not create a topic that it only asks about', async () => {
  const { lookup } = context();
  const topic = freshTopic();
  await expect(lookup.partitions(topic, { create: false })).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  const admin = createPulsarAdmin({ url: broker.adminUrl });
  expect(await admin.topics.list('public/default')).not.toContain(topic);
  await admin.topics.createPartitioned(topic, 3);
  expect(await lookup.partitions(topic, { create: false })).toBe(3);
});

it('9.2.25 says that a topic is missing where the namespace does not let it come into being', async () => {
  const admin = createPulsarAdmin({ url: broker.adminUrl });
  const namespace = freshTopic('strict').replace('persistent://public/default/', 'public/');
  await admin.namespaces.create(namespace);
  await admin.namespaces.setAutoTopicCreation(namespace, { allowed: false });
  const started = performance.now();
  await expect(context().lookup.partitions(`${namespace}/t`)).rejects.toMatchObject({ code: 'TOPIC_NOT_FOUND' });
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(await admin.topics.list(namespace)).toEqual([]);
});

it('9.2.26 is sent to the listener that it names', async () => {
  const { serviceUrl } = await realBroker('small');
  const port = serviceUrl.slice(serviceUrl.lastIndexOf(':') + 1);
  const topic = freshTopic();
  const external = context(serviceUrl, { listenerName: 'external' });
  expect(await external.lookup.topic(topic)).toMatchObject({ logical: `localhost:${port}` });
  expect(await context(serviceUrl, { listenerName: 'internal' }).lookup.topic(topic)).toMatchObject({ logical: `127.0.0.1:${port}` });
  const connection = await external.pool.connect(await external.lookup.topic(topic), 0);
  expect(connection.maxMessageSize).toBe(1024 * 1024);
});

it('lists the topics of a namespace, and says when nothing has changed', async () => {
  const { lookup } = context();
  const admin = createPulsarAdmin({ url: broker.adminUrl });
  const namespace = `public/list-${Date.now().toString(36)}`;
  await admin.namespaces.create(namespace);
  await admin.topics.create(`${namespace}/apple`);
  await admin.topics.createPartitioned(`${namespace}/pear`, 2);
  const all = await lookup.topicsOf(namespace, 'persistent');
  expect([...(all?.topics ?? [])].sort()).toEqual([
    `persistent://${namespace}/apple`,
    `persistent://${namespace}/pear-partition-0`,
    `persistent://${namespace}/pear-partition-1`,
  ]);
  const pattern = { text: `${namespace}/p.*` };
  const some = await lookup.topicsOf(namespace, 'all', pattern);
  expect(some).toMatchObject({ filtered: true, hash: expect.stringMatching(/^[0-9a-f]{8}$/) });
  expect(some?.topics.every((name) => name.includes('/p'))).toBe(true);
  expect(await lookup.topicsOf(namespace, 'all', { ...pattern, hash: some?.hash ?? '' })).toBeUndefined();
});

it('registers schemas and reads them', async () => {
  const { lookup } = context();
  const admin = createPulsarAdmin({ url: broker.adminUrl });
  const topic = freshTopic();
  await admin.topics.create(topic);
  expect(await lookup.schema(topic)).toBeUndefined();
  const json = (text: string): { type: number; name: string; data: Buffer; properties: Record<string, string> } => {
    return { type: 2, name: 'Order', data: Buffer.from(text), properties: { from: 'test' } };
  };
  const order = '{"type":"record","name":"Order","fields":[{"name":"id","type":"string"}]}';
  const version = await lookup.registerSchema(topic, json(order));
  expect(Buffer.from(version).toString('hex')).toBe('0000000000000000');
  expect(await lookup.registerSchema(topic, json(order))).toEqual(version);
  const stored = await lookup.schema(topic);
  expect(stored).toMatchObject({ type: 2, properties: { from: 'test' } });
  expect(Buffer.from(stored?.data ?? []).toString()).toBe(order);
  expect(await lookup.schema(topic, version)).toEqual(stored);
  const incompatible = '{"type":"record","name":"Order","fields":[{"name":"total","type":"int"}]}';
  await expect(lookup.registerSchema(topic, json(incompatible))).rejects.toMatchObject({ code: 'INCOMPATIBLE_SCHEMA', retryable: false });
});
