import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPulsarAdmin, type PulsarAdmin } from '../admin/index.ts';
import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import type { Message } from '../message/message.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';

let broker: RealBroker;
let admin: PulsarAdmin;
let client: PulsarClient;
beforeAll(async () => {
  broker = await realBroker();
  admin = createPulsarAdmin({ url: broker.adminUrl });
  client = createPulsarClient({ serviceUrl: broker.serviceUrl });
});
afterAll(() => client.close());

/** Everything that is in a topic, in order. */
async function contentOf(topic: string, count: number): Promise<readonly Message[]> {
  await using reader = await client.createReader({ topic, start: 'earliest' });
  const messages: Message[] = [];
  while (messages.length < count) {
    const message = await reader.receive({ timeoutMs: 20_000 });
    if (message === undefined) throw new Error(`${messages.length} of ${count} messages came`);
    messages.push(message);
  }
  return messages;
}

const texts = (messages: readonly Message[]): string[] => messages.map(({ data }) => data.toString());
const numbers = (count: number): string[] => Array.from({ length: count }, (_, at) => String(at));

describe('a message that was sent', () => {
  it.each(['none', 'lz4', 'zlib', 'zstd', 'snappy'] as const)(
    '9.3.27 arrives as it was, compressed by %s, alone and in a batch',
    async (compression) => {
      const topic = freshTopic();
      await using producer = await client.createProducer({ topic, compression });
      const values = [randomBytes(300), Buffer.alloc(100_000, 'abc'), Buffer.alloc(0), Buffer.from('x')];
      await producer.send(values[1] as Buffer);
      await Promise.all(values.map((value) => producer.send(value)));
      const messages = await contentOf(topic, 5);
      expect(messages.map(({ data }) => data.toString('hex'))).toEqual([values[1], ...values].map((value) => value?.toString('hex')));
    },
  );

  it.each([1, 2, 1_000])('9.3.28 in a batch of %d keeps its place, key, properties and sequence id', async (count) => {
    const topic = freshTopic();
    await using producer = await client.createProducer({ topic, batching: { maxBytes: 1_000_000 } });
    const ids = await Promise.all(
      numbers(count).map((value) =>
        producer.send({ value, key: `key-${value}`, properties: { value }, eventTimeMs: 1_000 + Number(value) }),
      ),
    );
    const messages = await contentOf(topic, count);
    expect(messages.map(({ id }) => String(id))).toEqual(ids.map(String));
    for (const [at, message] of messages.entries()) {
      expect(message).toMatchObject({ key: `key-${at}`, properties: { value: String(at) }, sequenceId: at, eventTimeMs: 1_000 + at });
      expect(message.producerName).toBe(producer.name);
    }
    expect(new Set(ids.map(({ entryId }) => entryId)).size).toBe(1);
    expect(producer.lastSequenceId).toBe(count - 1);
  });

  it('9.3.32 in chunks is put together, compressed or not', async () => {
    for (const compression of ['none', 'lz4'] as const) {
      const topic = freshTopic();
      await using producer = await client.createProducer({ topic, compression, chunking: true });
      const value = Buffer.concat([randomBytes(6 * 1024 * 1024), Buffer.alloc(6 * 1024 * 1024, 'abcdefgh')]);
      const ids = await Promise.all([producer.send('before'), producer.send({ value, key: 'large' }), producer.send('after')]);
      const messages = await contentOf(topic, 3);
      expect(messages[1]?.data.equals(value)).toBe(true);
      expect(messages.map(({ id }) => String(id))).toEqual(ids.map(String));
      expect(String(ids[1])).toMatch(/^\d+:\d+:-1;\d+:\d+:-1$/);
      expect(texts([messages[0] as Message, messages[2] as Message])).toEqual(['before', 'after']);
    }
  });

  it('9.3.51 without value or key is not the same as one with an empty one', async () => {
    const topic = freshTopic();
    await using producer = await client.createProducer({ topic });
    const bytes = Buffer.from([0, 255, 128]);
    for (const batch of [1, 4]) {
      const sent = [
        { value: null, key: 'k' },
        { value: '', key: '' },
        { value: 'v', key: null },
        { value: 'v', key: bytes },
      ];
      if (batch === 4) await Promise.all(sent.map((message) => producer.send(message)));
      else for (const message of sent) await producer.send(message);
    }
    const messages = await contentOf(topic, 8);
    for (const at of [0, 4]) {
      expect(messages.slice(at, at + 4).map(({ isNull, key }) => ({ isNull, key }))).toEqual([
        { isNull: true, key: 'k' },
        { isNull: false, key: '' },
        { isNull: false, key: undefined },
        { isNull: false, key: 'AP+A' },
      ]);
      expect(messages[at + 3]?.keyBytes?.equals(bytes)).toBe(true);
    }
  });

  it('9.3.49 with a delay comes late to a shared subscription and at once to an exclusive one', async () => {
    const topic = freshTopic();
    await using exclusive = await client.subscribe({ topic, subscription: 'e' });
    await using shared = await client.subscribe({ topic, subscription: 's', type: 'shared' });
    await using producer = await client.createProducer({ topic });
    const since = performance.now();
    const ofShared: string[] = [];
    const both = (async () => {
      for (let count = 0; count < 2; count++) ofShared.push((await shared.receive()).data.toString());
    })();
    await Promise.all([producer.send({ value: 'late', deliverAfterMs: 3_000 }), producer.send('now')]);
    expect((await exclusive.receive()).data.toString()).toBe('late');
    expect(ofShared).not.toContain('late');
    await both;
    expect(ofShared).toEqual(['now', 'late']);
    expect(performance.now() - since).toBeGreaterThan(2_800);
  });

  it('9.3.53 to a topic that is not persistent is confirmed', async () => {
    const topic = freshTopic().replace('persistent://', 'non-persistent://');
    await using consumer = await client.subscribe({ topic, subscription: 's' });
    await using producer = await client.createProducer({ topic });
    const ids = await Promise.all([producer.send('a'), producer.send('b')]);
    expect(ids.map(({ ledgerId, entryId, batchIndex }) => [ledgerId, entryId, batchIndex])).toEqual([
      [0n, 0n, 0],
      [0n, 0n, 1],
    ]);
    expect([(await consumer.receive()).data.toString(), (await consumer.receive()).data.toString()]).toEqual(['a', 'b']);
  });
});

describe('batches by key', () => {
  it('9.3.30 keep each key on one consumer and in order', async () => {
    const topic = freshTopic();
    const consumers = await Promise.all(
      [0, 1, 2].map(() => client.subscribe({ topic, subscription: 's', type: 'key_shared', initialPosition: 'earliest' })),
    );
    const seen = new Map<string, { owners: Set<number>; values: number[] }>();
    let received = 0;
    const total = 3_000;
    const work = consumers.map(async (consumer, owner) => {
      for await (const message of consumer) {
        const of = seen.get(message.key ?? '') ?? { owners: new Set(), values: [] };
        seen.set(message.key ?? '', of);
        of.owners.add(owner);
        of.values.push(Number(message.data));
        await message.acknowledge();
        received += 1;
      }
    });
    await using producer = await client.createProducer({ topic, batching: { keyed: true }, maxPendingMessages: total });
    await Promise.all(numbers(total).map((value) => producer.send({ value, key: `k${Number(value) % 50}` })));
    await expect.poll(() => received, { timeout: 20_000 }).toBe(total);
    await Promise.all(consumers.map((consumer) => consumer.close()));
    await Promise.allSettled(work);
    expect(seen.size).toBe(50);
    for (const { owners, values } of seen.values()) {
      expect(owners.size).toBe(1);
      expect(values).toEqual(values.toSorted((one, other) => one - other));
    }
    expect(new Set([...seen.values()].flatMap(({ owners }) => [...owners])).size).toBeGreaterThan(1);
  });
});

describe('a name', () => {
  it('9.3.42 that is in use is refused', async () => {
    const topic = freshTopic();
    await using producer = await client.createProducer({ topic, name: 'mine' });
    await expect(client.createProducer({ topic, name: producer.name })).rejects.toMatchObject({
      code: 'PRODUCER_BUSY',
      command: 'PRODUCER',
    });
  });

  it('9.3.44 goes on where it stopped if the broker drops duplicates, and what is sent again is dropped', async () => {
    const namespace = 'public/dedup';
    await admin.namespaces.create(namespace).catch(() => undefined);
    await admin.namespaces.setDeduplication(namespace, true);
    const topic = freshTopic().replace('public/default', namespace);
    const options = { topic, name: 'steady', sendTimeoutMs: 0 };
    {
      await using producer = await client.createProducer(options);
      await Promise.all(numbers(5).map((value, at) => producer.send({ value, sequenceId: at * 2 })));
      const again = await Promise.all([4, 6].map((sequenceId) => producer.send({ value: 'again', sequenceId })));
      expect(again.map(({ ledgerId, entryId }) => [ledgerId, entryId])).toEqual([
        [-1n, -1n],
        [-1n, -1n],
      ]);
    }
    await using producer = await client.createProducer(options);
    expect(producer.lastSequenceId).toBe(8);
    await producer.send('5');
    expect(producer.lastSequenceId).toBe(9);
    expect(texts(await contentOf(topic, 6))).toEqual(numbers(6));
  });
});

describe('9.3.43 exclusive access', () => {
  it('keeps others out and is refused while others are there', async () => {
    const topic = freshTopic();
    await using exclusive = await client.createProducer({ topic, accessMode: 'exclusive' });
    await expect(client.createProducer({ topic })).rejects.toMatchObject({ code: 'PRODUCER_BUSY' });
    await expect(client.createProducer({ topic, accessMode: 'exclusive' })).rejects.toMatchObject({ code: 'PRODUCER_FENCED' });
    await exclusive.send('a');
  });

  it('is waited for, longer than any operation may take', async () => {
    const topic = freshTopic();
    const impatient = createPulsarClient({ serviceUrl: broker.serviceUrl, operationTimeoutMs: 1_000 });
    try {
      const first = await impatient.createProducer({ topic });
      let made = false;
      const waiting = impatient.createProducer({ topic, accessMode: 'wait-for-exclusive' }).finally(() => {
        made = true;
      });
      await delay(1_800);
      expect(made).toBe(false);
      await first.send('first');
      await first.close();
      const second = await waiting;
      await second.send('second');
      expect(texts(await contentOf(topic, 2))).toEqual(['first', 'second']);
    } finally {
      await impatient.close();
    }
  });

  it('is taken by fencing, and what the one before sends next fails for good', async () => {
    const topic = freshTopic();
    const other = createPulsarClient({ serviceUrl: broker.serviceUrl });
    try {
      const old = await other.createProducer({ topic, accessMode: 'exclusive' });
      await old.send('old');
      await using taker = await client.createProducer({ topic, accessMode: 'exclusive-with-fencing' });
      await expect(old.send('too late')).rejects.toMatchObject({ code: 'PRODUCER_FENCED' });
      expect(old.state).toBe('fenced');
      await taker.send('new');
      expect(texts(await contentOf(topic, 2))).toEqual(['old', 'new']);
    } finally {
      await other.close();
    }
  });
});

describe('a topic that takes nothing more', () => {
  it('9.3.45 because it was terminated rejects what is pending and what comes', async () => {
    const topic = freshTopic();
    await using producer = await client.createProducer({ topic });
    await producer.send('last');
    await admin.topics.terminate(topic);
    await expect(producer.send('too late')).rejects.toMatchObject({ code: 'TOPIC_TERMINATED' });
    expect(producer.state).toBe('terminated');
    await expect(producer.send('much too late')).rejects.toMatchObject({ code: 'TOPIC_TERMINATED' });
    await expect(client.createProducer({ topic })).rejects.toMatchObject({ code: 'TOPIC_TERMINATED' });
  });

  it.each([
    ['producer_exception', 'rejected'],
    ['producer_request_hold', 'waits'],
  ] as const)('9.3.46 because of the backlog quota (%s): what is sent is %s', async (policy, outcome) => {
    const namespace = `public/quota-${policy}`;
    await admin.namespaces.create(namespace).catch(() => undefined);
    await admin.namespaces.setBacklogQuota(namespace, { bytes: 10_000, policy });
    const topic = freshTopic().replace('public/default', namespace);
    await (await client.subscribe({ topic, subscription: 'slow' })).close();
    await using producer = await client.createProducer({ topic, batching: false });
    // At once, for the broker may look at quotas while they are on their way: then some wait, or are rejected.
    const filling = Promise.allSettled(Array.from({ length: 20 }, (_, at) => producer.send(Buffer.alloc(1_000, at))));
    // The broker looks at quotas now and then.
    await expect.poll(() => producer.state, { timeout: 30_000, interval: 20 }).toBe('connecting');
    const sent = producer.send('more').then(
      () => 'stored',
      (error: { code: string }) => error.code,
    );
    if (outcome === 'rejected') expect(await sent).toBe('QUOTA_EXCEEDED');
    else expect(await Promise.race([sent, delay(1_500, 'waits')])).toBe('waits');
    await admin.subscriptions.skip(topic, 'slow', 'all');
    await expect.poll(() => producer.state, { timeout: 60_000 }).toBe('ready');
    await producer.send('again');
    if (outcome === 'waits') expect(await sent).toBe('stored');
    await filling;
  });
});

describe('a partitioned topic', () => {
  it('9.3.47 has each key in one partition, in order, under one name', async () => {
    const topic = freshTopic();
    await admin.topics.createPartitioned(topic, 3);
    await using producer = await client.createProducer({ topic });
    expect(producer.partitions).toBe(3);
    const ids = await Promise.all(numbers(300).map((value) => producer.send({ value, key: `k${Number(value) % 10}` })));
    const partitionOf = new Map<string, number>();
    for (const [at, { partition }] of ids.entries()) {
      const key = `k${at % 10}`;
      expect(partitionOf.get(key) ?? partition).toBe(partition);
      partitionOf.set(key, partition);
    }
    expect(new Set(partitionOf.values()).size).toBeGreaterThan(1);
    const messages = await contentOf(topic, 300);
    expect(new Set(messages.map(({ producerName }) => producerName))).toEqual(new Set([producer.name]));
    for (const key of partitionOf.keys()) {
      const values = messages.filter((message) => message.key === key).map(({ data }) => Number(data));
      expect(values).toEqual(values.toSorted((one, other) => one - other));
    }
  });

  it('9.3.48 is used in full after it has grown', async () => {
    const topic = freshTopic();
    await admin.topics.createPartitioned(topic, 2);
    await using producer = await client.createProducer({ topic, partitionsUpdateMs: 200, batching: false });
    await producer.send('before');
    await admin.topics.updatePartitions(topic, 4);
    await expect.poll(() => producer.partitions, { timeout: 20_000 }).toBe(4);
    const ids = await Promise.all(numbers(40).map((value) => producer.send(value)));
    expect(new Set(ids.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2, 3]));
  });
});
