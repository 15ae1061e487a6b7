import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import type { Consumer } from '../consumer/port.ts';
import type { Message } from '../message/message.ts';
import { type JavaClient, javaClient } from '../testing/java-client/test-support.ts';
import { freshTopic, type RealBroker, realBroker } from '../testing/test-support.ts';

let broker: RealBroker;
let java: JavaClient;
let client: PulsarClient;
beforeAll(async () => {
  broker = await realBroker();
  java = await javaClient(broker);
  // Back soon after the broker is.
  client = createPulsarClient({ serviceUrl: broker.serviceUrl, transactions: true, backoff: { maxMs: 1_000 } });
});
afterAll(() => client.close());

const texts = (messages: readonly Message[]): string[] => messages.map(({ data }) => data.toString());

/** So many, as long as they may take, and whatever comes right behind them, in order. */
async function drain(consumer: Consumer, count: number): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const message = await consumer.receive({ timeoutMs: all.length < count ? 15_000 : 500 });
    if (message === undefined) return all;
    all.push(message.data.toString());
    await message.acknowledge();
  }
}

async function take(consumer: Consumer, count: number): Promise<Message[]> {
  const messages: Message[] = [];
  while (messages.length < count) messages.push(await consumer.receive());
  return messages;
}

describe('9.5.81 messages sent in a transaction', () => {
  it('are seen by everyone once it is committed, not before, and in order', async () => {
    const topic = freshTopic('txn');
    await using consumer = await client.subscribe({ topic, subscription: 's' });
    await using producer = await client.createProducer({ topic });
    await using transaction = await client.newTransaction();
    const sent = await Promise.all(Array.from({ length: 50 }, (_, n) => producer.send({ value: `in ${n}`, transaction })));
    expect(new Set(sent.map(String)).size).toBe(50);
    await producer.send('outside');
    // Nothing passes an open transaction.
    expect(await consumer.receive({ timeoutMs: 500 })).toBeUndefined();
    await transaction.commit();
    expect(transaction.state).toBe('committed');
    const received = await take(consumer, 51);
    expect(texts(received)).toEqual([...Array.from({ length: 50 }, (_, n) => `in ${n}`), 'outside']);
    const seenByJava = await java.consume({ topic, count: 51 });
    expect(seenByJava.map(({ id }) => id)).toEqual(received.map(({ id }) => String(id)));
  });

  it('are never seen once it is aborted', async () => {
    const topic = freshTopic('txn');
    await using consumer = await client.subscribe({ topic, subscription: 's' });
    await using producer = await client.createProducer({ topic });
    const transaction = await client.newTransaction();
    await Promise.all([producer.send({ value: 'a', transaction }), producer.send({ value: 'b', transaction })]);
    await producer.send('after');
    await transaction.abort();
    expect(await drain(consumer, 1)).toEqual(['after']);
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'TRANSACTION_STATE' });
    await expect(producer.send({ value: 'late', transaction })).rejects.toMatchObject({ code: 'TRANSACTION_STATE' });
  });

  it('are of several topics and partitions at once', async () => {
    const topics = [freshTopic('one'), freshTopic('two')];
    const partitioned = freshTopic('parts');
    await fetch(`${broker.adminUrl}/admin/v2/${partitioned.replace('://', '/')}/partitions`, { method: 'PUT', body: '3' });
    await using consumer = await client.subscribe({ topics: [...topics, partitioned], subscription: 's' });
    const producers = await Promise.all([...topics, partitioned].map((topic) => client.createProducer({ topic })));
    for (const end of ['abort', 'commit'] as const) {
      const transaction = await client.newTransaction();
      const sends = producers.flatMap((producer) =>
        Array.from({ length: 6 }, (_, n) => producer.send({ value: `${end} ${n}`, key: `k${n}`, transaction })),
      );
      await Promise.all(sends);
      await transaction[end]();
    }
    const received = await drain(consumer, 18);
    expect(received).toHaveLength(18);
    expect(received.every((text) => text.startsWith('commit'))).toBe(true);
    await Promise.all(producers.map((producer) => producer.close()));
  });

  it('and those that the Java client sends in one are treated alike', async () => {
    const topic = freshTopic('txn');
    await using consumer = await client.subscribe({ topic, subscription: 's' });
    const messages = [{ value: Buffer.from('java').toString('base64') }];
    await java.produce({ topic, transaction: 'abort', messages });
    await java.produce({ topic, transaction: 'commit', messages });
    expect(await drain(consumer, 1)).toEqual(['java']);
  });
});

describe('9.5.82 messages acknowledged in a transaction', () => {
  it('of a batch are done one by one when it is committed, and come again when it is aborted', async () => {
    const topic = freshTopic('txn');
    const options = { topic, subscription: 's', type: 'shared', batchIndexAck: true } as const;
    await using producer = await client.createProducer({ topic });
    await using consumer = await client.subscribe({ ...options, initialPosition: 'earliest' });
    await Promise.all(['a', 'b', 'c', 'd'].map((text) => producer.send(text)));
    const [a, b, c, d] = (await take(consumer, 4)) as [Message, Message, Message, Message];
    expect(new Set([a, b, c, d].map(({ id }) => id.entryId)).size).toBe(1);

    const aborted = await client.newTransaction();
    await Promise.all([a.acknowledge({ transaction: aborted }), b.acknowledge({ transaction: aborted })]);
    await aborted.abort();
    const again = await take(consumer, 2);
    expect(texts(again).sort()).toEqual(['a', 'b']);

    const committed = await client.newTransaction();
    await Promise.all([...again, c].map((message) => message.acknowledge({ transaction: committed })));
    await committed.commit();
    await consumer.close();
    await using next = await client.subscribe(options);
    expect(await drain(next, 1)).toEqual([d.data.toString()]);
  });

  it('belong to the first transaction that takes them: another gets TRANSACTION_CONFLICT and cannot commit', async () => {
    const topic = freshTopic('txn');
    await using producer = await client.createProducer({ topic });
    await using consumer = await client.subscribe({ topic, subscription: 's', type: 'shared' });
    await producer.send('once');
    const message = await consumer.receive();
    await using first = await client.newTransaction();
    const second = await client.newTransaction();
    await message.acknowledge({ transaction: first });
    await expect(consumer.acknowledge(message.id, { transaction: second })).rejects.toMatchObject({
      code: 'TRANSACTION_CONFLICT',
      command: 'ACK',
      retryable: false,
    });
    await expect(second.commit()).rejects.toMatchObject({ code: 'TRANSACTION_CONFLICT' });
    expect(second.state).toBe('aborted');
    await first.commit();
  });

  it('take effect together with what is sent, or not at all', async () => {
    const [input, output] = [freshTopic('in'), freshTopic('out')];
    await using source = await client.createProducer({ topic: input });
    await using sink = await client.createProducer({ topic: output });
    await using consumer = await client.subscribe({ topic: input, subscription: 's', type: 'shared' });
    await using results = await client.subscribe({ topic: output, subscription: 's' });
    await source.send('1');
    for (const attempt of ['fails', 'works']) {
      const message = await consumer.receive();
      const work = async (): Promise<void> => {
        await using transaction = await client.newTransaction();
        void sink.send({ value: `${message.data} ${attempt}`, transaction });
        await message.acknowledge({ transaction });
        if (attempt === 'fails') throw new Error('the work failed');
        await transaction.commit();
      };
      await work().catch((error: Error) => expect(error.message).toBe('the work failed'));
    }
    expect(await drain(results, 1)).toEqual(['1 works']);
    expect(await consumer.receive({ timeoutMs: 500 })).toBeUndefined();
    expect(await consumer.backlog()).toBe(0);
  });

  it('are acknowledged up to one, on an exclusive subscription', async () => {
    const topic = freshTopic('txn');
    await using producer = await client.createProducer({ topic, batching: false });
    await using consumer = await client.subscribe({ topic, subscription: 's' });
    await Promise.all(['a', 'b', 'c'].map((text) => producer.send(text)));
    const before = await take(consumer, 3);
    const aborted = await client.newTransaction();
    await consumer.acknowledgeCumulative(before[1]!, { transaction: aborted });
    await aborted.abort();
    const again = await take(consumer, 3);
    expect(texts(again)).toEqual(['a', 'b', 'c']);
    const committed = await client.newTransaction();
    await consumer.acknowledgeCumulative(again[1]!, { transaction: committed });
    await committed.commit();
    expect(await consumer.backlog()).toBe(1);
  });
});

describe('a transaction that the coordinator ends', () => {
  it('9.5.84 takes nothing more after its time-out, and what was acknowledged in it comes again', async () => {
    const [input, output] = [freshTopic('in'), freshTopic('out')];
    await using source = await client.createProducer({ topic: input });
    await using sink = await client.createProducer({ topic: output });
    await using consumer = await client.subscribe({ topic: input, subscription: 's', type: 'shared' });
    await using results = await client.subscribe({ topic: output, subscription: 's' });
    await source.send('1');
    const message = await consumer.receive();
    const transaction = await client.newTransaction({ timeoutMs: 2_000 });
    await sink.send({ value: 'unseen', transaction });
    await message.acknowledge({ transaction });
    const again = await consumer.receive({ timeoutMs: 15_000 });
    expect(again?.data.toString()).toBe('1');
    expect(transaction.state).toBe('timed_out');
    await expect(transaction.commit()).rejects.toMatchObject({ code: 'TRANSACTION_STATE' });
    await expect(sink.send({ value: 'late', transaction })).rejects.toMatchObject({ code: 'TRANSACTION_STATE' });
    await sink.send('seen');
    expect(await drain(results, 1)).toEqual(['seen']);
  });

  it('9.5.83 survives a restart of its coordinator, and new ones begin', async () => {
    const topic = freshTopic('txn');
    // One with few topics: others wait behind their transactions when it is back.
    const restarted = await realBroker('small');
    await using own = createPulsarClient({ serviceUrl: restarted.serviceUrl, transactions: true, backoff: { maxMs: 1_000 } });
    await using producer = await own.createProducer({ topic });
    await using consumer = await own.subscribe({ topic, subscription: 's' });
    const transaction = await own.newTransaction({ timeoutMs: 120_000 });
    await producer.send({ value: 'before', transaction });
    await restarted.restart();
    await producer.send({ value: 'after', transaction });
    await transaction.commit();
    const next = await own.newTransaction();
    await producer.send({ value: 'next', transaction: next });
    await next.commit();
    expect(await drain(consumer, 3)).toEqual(['before', 'after', 'next']);
  });
});

it('a transaction needs a client that was made for them', async () => {
  await using plain = createPulsarClient({ serviceUrl: broker.serviceUrl });
  await expect(plain.newTransaction()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});
