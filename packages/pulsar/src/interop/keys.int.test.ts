import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPulsarAdmin } from '../admin/admin.ts';
import type { Consumer } from '../consumer/port.ts';
import type { Message } from '../message/message.ts';
import { freshTopic } from '../testing/test-support.ts';
import { allClients, base64, type Clients } from './test-support.ts';

let all: Clients;
beforeAll(async () => {
  all = await allClients();
});
afterAll(() => all[Symbol.asyncDispose]());

const keys = Array.from({ length: 100 }, (_, index) => ['user', 'klucz-ż', '', '😀'][index % 4] + String(index));

describe.concurrent.each([
  ['java', 'JavaStringHash'],
  ['murmur3', 'Murmur3_32Hash'],
] as const)('9.3.47 hash %s', (hashing, theirs) => {
  it('sends each key to the partition that Java sends it to', async () => {
    const topic = freshTopic();
    await createPulsarAdmin({ url: all.broker.adminUrl }).topics.createPartitioned(topic, 7);
    const ids = await all.send(
      { topic, hashing, batching: false },
      keys.map((key) => ({ value: key, key })),
    );
    const java = await all.java.produce({ topic, hashing: theirs, messages: keys.map((key) => ({ value: base64(key), key })) });
    expect(ids.map(({ partition }) => partition)).toEqual(java.map((id) => Number(id.split(':')[2])));
    expect(new Set(ids.map(({ partition }) => partition)).size).toBe(7);
  });
});

describe.concurrent.each(['ours', 'java', 'python'] as const)('9.3.30, 9.5.86 key-based batches of %s', (sender) => {
  it.each(['java', 'python'] as const)('reach us and %s on one Key_Shared subscription, each key one of us, in order', async (other) => {
    const topic = freshTopic();
    const perKey = 5;
    const count = keys.length * perKey;
    const values = Array.from({ length: count }, (_, index) => ({ key: `key-${index % keys.length}`, value: String(index) }));
    const shared = { topic, subscription: 'both' };

    await using consumer = await all.client.subscribe({ ...shared, type: 'key_shared', initialPosition: 'earliest' });
    const theirs = all[other].consume({ ...shared, type: 'Key_Shared', count, timeoutMs: 3_000 });
    await untilConsumers(2, topic, 'both');
    if (sender === 'ours') await all.send({ topic, batching: { keyed: true, maxDelayMs: 20 } }, values);
    else
      await all[sender].produce({
        topic,
        batching: true,
        keyed: true,
        messages: values.map(({ key, value }) => ({ key, value: base64(value) })),
      });

    const mine = await receiveAll(consumer);
    const own = mine.map((message) => ({ key: message.key ?? '', value: message.data.toString() }));
    const others = (await theirs).map(({ key, value }) => ({ key: key ?? '', value: Buffer.from(String(value), 'base64').toString() }));
    expect(own.length).toBeGreaterThan(0);
    expect(others.length).toBeGreaterThan(0);
    const everything = [...own, ...others];
    expect(everything).toHaveLength(count);
    const ownKeys = new Set(own.map(({ key }) => key));
    expect(others.filter(({ key }) => ownKeys.has(key))).toEqual([]);
    for (const [key, of] of Map.groupBy(everything, (message) => message.key)) {
      expect(of.map(({ value }) => value)).toEqual(values.filter((value) => value.key === key).map(({ value }) => value));
    }
  });
});

describe.concurrent('9.5.86 on one Shared subscription', () => {
  it('we, Java and Python get each message once, in all codecs', async () => {
    const topic = freshTopic();
    const count = 600;
    const shared = { topic, subscription: 'all' };
    await using consumer = await all.client.subscribe({ ...shared, type: 'shared', receiverQueueSize: 20 });
    const java = all.java.consume({ ...shared, type: 'Shared', count, timeoutMs: 3_000 });
    const python = all.python.consume({ ...shared, type: 'Shared', count, timeoutMs: 3_000 });
    await untilConsumers(3, topic, 'all');
    const messages = (from: number) => Array.from({ length: 100 }, (_, index) => String(from + index));
    const outgoing = (from: number) => messages(from).map((value) => ({ value: base64(value) }));
    await Promise.all([
      all.send(
        { topic, compression: 'lz4', batching: { maxMessages: 10 } },
        messages(0).map((value) => ({ value })),
      ),
      all.send(
        { topic, compression: 'zlib', batching: false },
        messages(100).map((value) => ({ value })),
      ),
      all.java.produce({ topic, compression: 'ZSTD', batching: true, batchSize: 10, messages: outgoing(200) }),
      all.java.produce({ topic, compression: 'SNAPPY', messages: outgoing(300) }),
      all.python.produce({ topic, compression: 'ZLIB', batching: true, batchSize: 10, messages: outgoing(400) }),
      all.python.produce({ topic, compression: 'LZ4', messages: outgoing(500) }),
    ]);
    const mine = (await receiveAll(consumer)).map(({ data }) => data.toString());
    const theirs = [...(await java), ...(await python)].map(({ value }) => Buffer.from(String(value), 'base64').toString());
    expect(mine.length).toBeGreaterThan(0);
    expect([...mine, ...theirs].map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
  });
});

/** Resolves once a subscription has so many consumers. */
async function untilConsumers(count: number, topic: string, subscription: string): Promise<void> {
  const admin = createPulsarAdmin({ url: all.broker.adminUrl });
  for (;;) {
    const { subscriptions } = await admin.topics.stats(topic);
    if (subscriptions[subscription]?.consumers.length === count) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Receives and acknowledges until nothing comes any more. */
async function receiveAll(consumer: Consumer): Promise<readonly Message[]> {
  const messages: Message[] = [];
  for (;;) {
    const message = await consumer.receive({ timeoutMs: 1_500 });
    if (message === undefined) return messages;
    messages.push(message);
    await message.acknowledge();
  }
}
