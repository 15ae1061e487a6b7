import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPulsarAdmin, type PulsarAdmin } from '../admin/index.ts';
import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import { Schema } from '../schema/schema.ts';
import { freshTopic, realBroker } from '../testing/test-support.ts';

let client: PulsarClient;
let admin: PulsarAdmin;
beforeAll(async () => {
  const broker = await realBroker();
  client = createPulsarClient({ serviceUrl: broker.serviceUrl, backoff: { maxMs: 500 } });
  admin = createPulsarAdmin({ url: broker.adminUrl });
});
afterAll(() => client.close());

const schema = Schema.string();

async function compact(topic: string): Promise<void> {
  await admin.topics.compact(topic);
  await expect.poll(() => admin.topics.compactionStatus(topic), { timeout: 30_000 }).toBe('SUCCESS');
}

it('9.4.77 a table view holds what a compacted topic has, tombstones heeded, and what came after', async () => {
  const topic = freshTopic('table');
  await using producer = await client.createProducer({ topic, schema });
  await Promise.all(Array.from({ length: 100 }, (_, n) => producer.send({ key: `k${n % 10}`, value: String(n) })));
  await producer.send({ key: 'k0', value: null });
  await compact(topic);
  await using compacted = await client.createTableView({ topic, schema });
  expect(new Map(compacted)).toEqual(new Map(Array.from({ length: 9 }, (_, n) => [`k${n + 1}`, String(91 + n)])));

  await Promise.all([producer.send({ key: 'k1', value: null }), producer.send({ key: 'k2', value: 'new' })]);
  await compacted.refresh();
  await using fresh = await client.createTableView({ topic, schema });
  for (const view of [compacted, fresh]) {
    expect(view.size).toBe(8);
    expect(view.get('k2')).toBe('new');
    expect(view.has('k1')).toBe(false);
  }
});

it('9.4.77 a table view opens on a topic whose last message, a tombstone, was compacted away', async () => {
  const topic = freshTopic('table');
  await using producer = await client.createProducer({ topic, schema, batching: false });
  await producer.send({ key: 'a', value: '1' });
  await producer.send({ key: 'b', value: '2' });
  await producer.send({ key: 'b', value: null });
  await compact(topic);
  await using view = await client.createTableView({ topic, schema });
  expect([...view]).toEqual([['a', '1']]);
});

it('9.4.77 every listener sees each change once, in order, over an unload of the topic', async () => {
  const topic = freshTopic('table');
  await using producer = await client.createProducer({ topic, schema });
  await producer.send({ key: 'counter', value: '0' });
  await using view = await client.createTableView({ topic, schema });
  const seen: (string | undefined)[] = [];
  view.forEachAndListen((_key, value) => seen.push(value));
  for (let n = 1; n <= 100; n += 1) {
    void producer.send({ key: 'counter', value: String(n) });
    if (n === 50) {
      await producer.flush();
      await admin.topics.unload(topic);
    }
  }
  await producer.flush();
  await view.refresh();
  expect(seen).toEqual(Array.from({ length: 101 }, (_, n) => String(n)));
});

it('9.4.77 a table view reads all partitions, an empty one too', async () => {
  const topic = freshTopic('table');
  await admin.topics.createPartitioned(topic, 4);
  await using empty = await client.createTableView({ topic, schema });
  expect(empty.size).toBe(0);
  await using producer = await client.createProducer({ topic, schema });
  await Promise.all(Array.from({ length: 40 }, (_, n) => producer.send({ key: `k${n % 2}`, value: String(n) })));
  await empty.refresh();
  expect(new Map(empty)).toEqual(
    new Map([
      ['k0', '38'],
      ['k1', '39'],
    ]),
  );
});
