import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { takeTexts } from '../consumer/test-support.ts';
import { Schema } from '../schema/schema.ts';
import { freshTopic } from '../testing/test-support.ts';
import { allClients, base64, type Clients } from './test-support.ts';

let all: Clients;
beforeAll(async () => {
  all = await allClients();
});
afterAll(() => all[Symbol.asyncDispose]());

const eventTimeMs = 1_700_000_000_123;

describe.concurrent.each([1, 2, 1_000])(
  '9.3.28 in a batch of %i, each message keeps key, properties, event time and sequence id',
  (size) => {
    const messages = Array.from({ length: size }, (_, index) => ({
      value: `value ${index}`,
      key: `klucz-ż-${index}`,
      orderingKey: `order ${index}`,
      properties: { index: String(index), '': 'no name', empty: '', ó: 'ż' },
      eventTimeMs: eventTimeMs + index,
      sequenceId: 10 + 3 * index,
    }));
    const fields = messages.map(({ value, orderingKey: _, ...rest }) => ({ value: base64(value), ...rest }));

    it('for Java and Python from us', async () => {
      const topic = freshTopic();
      const ids = await all.send({ topic, batching: { maxDelayMs: 50 } }, messages);
      const entries = Map.groupBy(ids, ({ entryId }) => entryId).size;
      expect(entries).toBeLessThanOrEqual(size === 1 ? 1 : 10);
      const java = await all.java.consume({ topic, count: size });
      expect(java).toMatchObject(fields.map((field, index) => ({ ...field, orderingKeyBase64: base64(messages[index]!.orderingKey) })));
      const python = await all.python.consume({ topic, count: size });
      const known = messages.map(({ value, sequenceId: _, ...rest }) => ({ value: base64(value), ...rest }));
      expect(python).toMatchObject(known);
      expect(java.map(({ id }) => id)).toEqual(ids.map(String));
    });

    it('for us from Java and Python', async () => {
      const topic = freshTopic();
      const javaMessages = fields.map((field, index) => ({ ...field, orderingKeyBase64: base64(messages[index]!.orderingKey) }));
      const javaIds = await all.java.produce({ topic, batching: true, messages: javaMessages });
      await all.python.produce({
        topic,
        batching: true,
        messages: fields.map((field, index) => ({ ...field, orderingKey: messages[index]!.orderingKey })),
      });
      const received = await all.receive(topic, 2 * size);
      const seen = received.map((message) => ({
        value: message.data.toString(),
        key: message.key,
        orderingKey: message.orderingKey?.toString(),
        properties: message.properties,
        eventTimeMs: message.eventTimeMs,
        sequenceId: message.sequenceId,
      }));
      expect(seen.slice(0, size)).toEqual(messages);
      expect(seen.slice(size)).toEqual(messages);
      expect(received.slice(0, size).map(({ id }) => String(id))).toEqual(javaIds);
    });
  },
);

describe.concurrent.each([false, true])('9.3.51 null, empty and byte keys and values mean the same to Java, batched: %s', (batched) => {
  const bytes = Buffer.from([0xff, 0x00, 0xc3, 0x28]);

  it('from us', async () => {
    const topic = freshTopic();
    await all.send({ topic, batching: batched && { maxDelayMs: 20 } }, [
      { value: null, key: 'gone' },
      { value: '' },
      { value: 'v', key: '' },
      { value: 'v', key: bytes },
      { value: 'v', key: null },
      { value: null },
    ]);
    const java = await all.java.consume({ topic, count: 6 });
    expect(java).toMatchObject([
      { isNull: true, hasKey: true, key: 'gone' },
      { isNull: false, value: '', hasKey: false },
      { hasKey: true, key: '', keyIsBase64: false, value: base64('v') },
      { hasKey: true, keyIsBase64: true, keyBase64: base64(bytes) },
      { hasKey: false, keyIsNull: true },
      { isNull: true, hasKey: false, keyIsNull: false },
    ]);
  });

  it('from Java', async () => {
    const topic = freshTopic();
    await all.java.produce({
      topic,
      batching: batched,
      messages: [
        { value: null, key: 'gone' },
        { value: '' },
        { value: base64('v'), key: '' },
        { value: base64('v'), keyBase64: base64(bytes) },
      ],
    });
    const [gone, empty, emptyKey, byteKey] = await all.receive(topic, 4);
    expect(gone).toMatchObject({ isNull: true, key: 'gone' });
    expect(empty).toMatchObject({ isNull: false, key: undefined });
    expect(empty?.data).toHaveLength(0);
    expect(emptyKey).toMatchObject({ isNull: false, key: '' });
    expect(byteKey?.keyBytes).toEqual(bytes);
  });
});

describe.concurrent('9.3.49 a delayed message', () => {
  const type = 'shared';

  it('comes late to shared subscriptions of Java from us, and at once to exclusive ones', async () => {
    const topic = freshTopic();
    await all.java.consume({ topic, subscription: 'late', type: 'Shared', count: 1, timeoutMs: 1 });
    const started = Date.now();
    await all.send({ topic }, [
      { value: 'in an hour', deliverAfterMs: 3_600_000 },
      { value: 'late', deliverAfterMs: 1_500 },
    ]);
    const atOnce = await all.java.consume({ topic, subscription: 'at-once', count: 2 });
    expect(atOnce.map(({ value }) => value)).toEqual([base64('in an hour'), base64('late')]);
    // What is due overtakes what is not.
    const [late] = await all.java.consume({ topic, subscription: 'late', type: 'Shared', count: 1 });
    expect(Date.now() - started).toBeGreaterThanOrEqual(1_400);
    expect(late?.value).toBe(base64('late'));
  });

  it.each(['java', 'python'] as const)('comes late to shared subscriptions of ours from %s', async (name) => {
    const topic = freshTopic();
    await using consumer = await all.client.subscribe({ topic, subscription: 'late', type });
    const started = Date.now();
    await all[name].produce({ topic, messages: [{ value: base64('late'), deliverAfterMs: 1_200 }] });
    expect(await takeTexts(consumer, 1)).toEqual(['late']);
    expect(Date.now() - started).toBeGreaterThanOrEqual(1_100);
  });
});

describe.concurrent('9.3.50 a schema is understood by the Python client', () => {
  const order = { id: 'o-1', total: 7 };
  const definition = {
    type: 'record',
    name: 'Order',
    fields: [
      { name: 'id', type: ['null', 'string'] },
      { name: 'total', type: ['null', 'int'] },
    ],
  } as const;
  const cases = [
    ['string', Schema.string(), 'zażółć'],
    ['json', Schema.json(z.object({ id: z.string(), total: z.number().int() }), { definition }), order],
    ['avro', Schema.avro(definition), order],
  ] as never as readonly (readonly ['string' | 'json' | 'avro', ReturnType<typeof Schema.string>, string])[];

  it.each(cases)('%s: both ways', async (name, schema, value) => {
    const topic = freshTopic();
    await all.python.produce({ topic, schema: name, messages: [{ value }] });
    await using producer = await all.client.createProducer({ topic, schema });
    await producer.send({ value });
    expect((await all.python.consume({ topic, schema: name, count: 2 })).map((message) => message.value)).toEqual([value, value]);
    await using consumer = await all.client.subscribe({ topic, subscription: 'ours', schema, initialPosition: 'earliest' });
    for (let left = 2; left > 0; left--) expect((await consumer.receive()).value).toEqual(value);
  });
});
