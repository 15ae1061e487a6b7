import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createPulsarClient, type PulsarClient } from '../client/client.ts';
import { type JavaClient, type JavaSchema, javaClient } from '../testing/java-client/test-support.ts';
import { freshTopic, realBroker } from '../testing/test-support.ts';
import type { AvroDefinition } from './avro-definition.ts';
import type { Schema as SchemaPort } from './port.ts';
import { Schema } from './schema.ts';

let client: PulsarClient;
let java: JavaClient;
beforeAll(async () => {
  const broker = await realBroker();
  java = await javaClient(broker);
  client = createPulsarClient({ serviceUrl: broker.serviceUrl });
});
afterAll(() => client.close());

const javaOrder = { id: 'o1', total: 5, note: null, tags: null, state: 'PAID' };

const nullable = (type: AvroDefinition): readonly AvroDefinition[] => ['null', type];
/** The definition that Java makes of its class. */
const javaDefinition = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: nullable('string'), default: null },
    { name: 'total', type: 'long' },
    { name: 'note', type: nullable('string'), default: null },
    { name: 'tags', type: nullable({ type: 'array', items: 'string' }), default: null },
    { name: 'state', type: nullable({ type: 'enum', name: 'State', symbols: ['OPEN', 'PAID'] }), default: null },
  ],
} as const;

async function send<T>(topic: string, schema: SchemaPort<unknown, T>, values: readonly T[]): Promise<void> {
  await using producer = await client.createProducer({ topic, schema });
  for (const value of values) await producer.send({ value });
}

async function receive<T>(topic: string, schema: SchemaPort<T, never>, count: number): Promise<T[]> {
  await using consumer = await client.subscribe({ topics: [topic], subscription: 'ours', schema, initialPosition: 'earliest' });
  const values: T[] = [];
  for await (const message of consumer) {
    values.push(message.value);
    if (values.length === count) break;
  }
  return values;
}

describe('9.3.50 a schema is understood by the Java client', () => {
  const cases: readonly (readonly [JavaSchema, SchemaPort<unknown, never>, unknown, unknown])[] = [
    ['string', Schema.string(), 'zażółć', 'zażółć'],
    ['bool', Schema.boolean(), true, true],
    ['int8', Schema.int8(), -5, -5],
    ['int16', Schema.int16(), -500, -500],
    ['int32', Schema.int32(), 1 << 30, 1 << 30],
    ['int64', Schema.int64(), -(2n ** 62n), String(-(2n ** 62n))],
    ['float', Schema.float(), 1.5, 1.5],
    ['double', Schema.double(), 1.1, 1.1],
    ['date', Schema.date(), new Date(1_700_000_000_123), 1_700_000_000_123],
    ['timestamp', Schema.timestamp(), new Date(1_700_000_000_123), 1_700_000_000_123],
    ['instant', Schema.instant(), { epochSeconds: 1_700_000_000n, nanos: 123_456_789 }, '2023-11-14T22:13:20.123456789Z'],
    ['json', Schema.json(javaDefinition), javaOrder, javaOrder],
    ['avro', Schema.avro(javaDefinition), javaOrder, javaOrder],
    ['protobuf', Schema.protobufNative(DurationSchema), create(DurationSchema, { seconds: 7n, nanos: 5 }), '7.000000005s'],
  ] as never;

  it.each(cases)('%s: what we send Java reads, and the reverse', async (javaSchema, schema, ours, theirs) => {
    const topic = freshTopic(javaSchema);
    await send(topic, schema, [ours as never]);
    const [message] = await java.consume({ topic, schema: javaSchema, count: 1 });
    expect(message?.value).toEqual(theirs);
    expect(message?.schemaVersion).toBe('AAAAAAAAAAA=');
    await java.produce({ topic, schema: javaSchema, messages: [{ value: theirs }] });
    const values = await receive(topic, schema as SchemaPort<unknown, never>, 2);
    expect(values.map((value) => JSON.parse(JSON.stringify(value, jsonable)))).toEqual(
      [ours, ours].map((value) => JSON.parse(JSON.stringify(value, jsonable))),
    );
  });
});

function jsonable(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

describe('9.3.50 the broker keeps schemas of a topic compatible', () => {
  const Compatible = z.object({
    id: z.string().nullish(),
    total: z.number().int(),
    note: z.string().nullish(),
    tags: z.array(z.string()).nullish(),
    // Named as the Java class's type: names are compared.
    state: z.enum(['OPEN', 'PAID']).meta({ title: 'State' }).nullish(),
    added: z.string().default('later'),
  });

  it('takes a zod schema on a topic of a Java class, and reads what that leaves out', async () => {
    const topic = freshTopic('zod');
    await java.produce({ topic, schema: 'json', messages: [{ value: javaOrder }] });
    const schema = Schema.json(Compatible, { name: 'Order' });
    await send(topic, schema, [{ id: 'o2', total: 6, state: 'OPEN' }]);
    const values = await receive(topic, schema as SchemaPort<z.output<typeof Compatible>, never>, 2);
    expect(values).toMatchObject([
      { id: 'o1', total: 5, state: 'PAID', added: 'later' },
      { id: 'o2', total: 6, state: 'OPEN', added: 'later' },
    ]);
    const [, seen] = await java.consume({ topic, schema: 'json', count: 2 });
    expect(seen?.value).toEqual({ id: 'o2', total: 6, note: null, tags: null, state: 'OPEN' });
  });

  it('refuses producers and consumers whose schema does not fit, with a code', async () => {
    const topic = freshTopic('refused');
    await send(topic, Schema.json(Compatible), []);
    const other = Schema.json(z.object({ total: z.string() }), { name: 'Value' });
    for (const schema of [other, Schema.int64()] as SchemaPort<unknown>[]) {
      await expect(client.createProducer({ topic, schema })).rejects.toMatchObject({
        code: 'INCOMPATIBLE_SCHEMA',
        retryable: false,
        command: 'PRODUCER',
        serverError: 'IncompatibleSchema',
      });
      await expect(client.subscribe({ topic, subscription: 's', schema })).rejects.toMatchObject({
        code: 'INCOMPATIBLE_SCHEMA',
        command: 'SUBSCRIBE',
      });
    }
  });

  it('reads every Avro message by the version that it was written with, in both directions', async () => {
    const topic = freshTopic('versions');
    const fields = [{ name: 'id', type: 'string' }] as const;
    const older = Schema.avro({ type: 'record', name: 'Event', fields });
    const newer = Schema.avro({ type: 'record', name: 'Event', fields: [...fields, { name: 'kind', type: 'string', default: 'none' }] });
    await send(topic, older, [{ id: 'a' }, { id: 'b' }]);
    await send(topic, newer, [{ id: 'c', kind: 'new' }]);
    await send(topic, older, [{ id: 'd' }]);
    const values = await receive(topic, newer, 4);
    expect(values.map((value) => ({ ...value }))).toEqual([
      { id: 'a', kind: 'none' },
      { id: 'b', kind: 'none' },
      { id: 'c', kind: 'new' },
      { id: 'd', kind: 'none' },
    ]);
    await using consumer = await client.subscribe({ topic, subscription: 'old', schema: older, initialPosition: 'earliest' });
    const batch = await consumer.receiveBatch({ maxMessages: 4, timeoutMs: 10_000 });
    expect(batch.map(({ value }) => ({ ...value }))).toEqual([{ id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' }]);
    expect(new Set(batch.map(({ schemaVersion }) => schemaVersion?.toString('hex')))).toEqual(
      new Set(['0000000000000000', '0000000000000001']),
    );
  });

  it('throws what is wrong with one payload where its value is read, and goes on with the next', async () => {
    const topic = freshTopic('corrupt');
    const schema = Schema.json(z.object({ id: z.string() }));
    await using consumer = await client.subscribe({ topic, subscription: 's', schema });
    await using raw = await client.createProducer({ topic });
    await raw.send('not JSON');
    await raw.send({ value: null, key: 'k' });
    await using producer = await client.createProducer({ topic, schema });
    expect(() => schema.encode({ id: 5 as never })).toThrow(expect.objectContaining({ code: 'INVALID_MESSAGE' }));
    await expect(producer.send({ value: { id: 5 as never } })).rejects.toMatchObject({ code: 'INVALID_MESSAGE' });
    await producer.send({ value: { id: 'a' } });
    const [corrupt, none, good] = [await consumer.receive(), await consumer.receive(), await consumer.receive()];
    expect(() => corrupt.value).toThrow(expect.objectContaining({ code: 'CORRUPT' }));
    expect(corrupt.data.toString()).toBe('not JSON');
    expect(none.isNull).toBe(true);
    expect(good.value).toEqual({ id: 'a' });
  });
});
