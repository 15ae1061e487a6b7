import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { Schema as SchemaPort } from './port.ts';
import { Schema } from './schema.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const bytesOf = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const definitionOf = (schema: SchemaPort<never, never>): unknown => JSON.parse(text(schema.info?.data ?? new Uint8Array()));

function thrown(run: () => unknown): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    if (PulsarError.is(error)) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: 'nothing thrown', message: '' };
}

const Order = z.object({
  id: z.string(),
  total: z.number().int(),
  lines: z.array(z.object({ product: z.string(), count: z.int32() })),
  note: z.string().optional(),
  coupon: z.string().nullable(),
  currency: z.string().default('EUR'),
  state: z.enum(['OPEN', 'PAID']),
  ratio: z.union([z.number(), z.int()]),
});
const order: z.input<typeof Order> = { id: 'o1', total: 5, lines: [{ product: 'p', count: 1 }], coupon: null, state: 'OPEN', ratio: 0.5 };

describe('a JSON schema from zod', () => {
  const schema = Schema.json(Order, { name: 'Order' });

  it('registers the Avro record that a Java class of the same shape would', () => {
    expect(schema.info).toMatchObject({ type: 'JSON', name: 'Order' });
    expect(definitionOf(schema as never)).toEqual({
      type: 'record',
      name: 'Order',
      fields: [
        { name: 'id', type: 'string' },
        { name: 'total', type: 'long' },
        {
          name: 'lines',
          type: {
            type: 'array',
            items: {
              type: 'record',
              name: 'OrderLinesItem',
              fields: [
                { name: 'product', type: 'string' },
                { name: 'count', type: 'int' },
              ],
            },
          },
        },
        { name: 'note', type: ['null', 'string'], default: null },
        { name: 'coupon', type: ['null', 'string'], default: null },
        { name: 'currency', type: 'string', default: 'EUR' },
        { name: 'state', type: { type: 'enum', name: 'OrderState', symbols: ['OPEN', 'PAID'] } },
        { name: 'ratio', type: 'double' },
      ],
    });
  });

  it('takes what goes into the zod schema and gives what comes out of it', () => {
    expectTypeOf(schema).toEqualTypeOf<SchemaPort<z.output<typeof Order>, z.input<typeof Order>>>();
    const bytes = schema.encode(order);
    expect(JSON.parse(text(bytes))).toEqual(order);
    expect(schema.decode(bytes)).toEqual({ ...order, currency: 'EUR' });
  });

  it('refuses a value that does not fit, naming the field', () => {
    const { code, message } = thrown(() => schema.encode({ ...order, total: 1.5 }));
    expect(code).toBe('INVALID_MESSAGE');
    expect(message).toContain('total');
  });

  it('says CORRUPT of a payload that is no JSON or does not fit', () => {
    expect(thrown(() => schema.decode(Buffer.from('{'))).code).toBe('CORRUPT');
    expect(thrown(() => schema.decode(bytesOf({ ...order, id: 7 }))).message).toContain('id');
  });

  it('reads what Java leaves out for null and Python writes null for', () => {
    const { coupon: _, ...withoutCoupon } = order;
    expect(schema.decode(bytesOf({ ...withoutCoupon, note: null }))).toEqual({ ...order, currency: 'EUR' });
  });

  it('keeps the name of a titled schema, refers to a part used twice, and closes a circle', () => {
    const Address = z.object({ street: z.string() }).meta({ id: 'Address' });
    const Node = z.object({
      value: z.string(),
      get next() {
        return Node.optional();
      },
      home: Address,
      work: Address,
    });
    expect(definitionOf(Schema.json(Node, { name: 'Node' }) as never)).toEqual({
      type: 'record',
      name: 'Node',
      fields: [
        { name: 'value', type: 'string' },
        { name: 'next', type: ['null', 'Node'], default: null },
        { name: 'home', type: { type: 'record', name: 'Address', fields: [{ name: 'street', type: 'string' }] } },
        { name: 'work', type: 'Address' },
      ],
    });
    expect(Schema.json(Order.meta({ title: 'Titled' })).info?.name).toBe('Titled');
  });

  it('calls parts by their titles, else after where they are, with null or without', () => {
    const State = z.enum(['A', 'B']);
    const shape = z.object({
      own: State.nullable(),
      named: State.meta({ title: 'Named' }).nullish(),
      either: z.union([z.object({ a: State }), z.object({ b: State })]),
    });
    expect(definitionOf(Schema.json(shape) as never)).toMatchObject({
      fields: [
        { type: ['null', { type: 'enum', name: 'ValueOwn' }] },
        { type: ['null', { type: 'enum', name: 'Named' }] },
        {
          type: [
            { type: 'record', name: 'ValueEither1' },
            { type: 'record', name: 'ValueEither2' },
          ],
        },
      ],
    });
  });

  it('refuses to guess where Avro has no form, and says what to give', () => {
    for (const shape of [z.object({ at: z.date() }), z.object({ any: z.unknown() }), z.object({ 'a-b': z.string() })]) {
      const { code, message } = thrown(() => Schema.json(shape));
      expect(code).toBe('INVALID_ARGUMENT');
      expect(message).toContain('definition');
    }
  });

  it('takes an Avro definition beside the zod schema for what cannot be derived', () => {
    const definition = { type: 'record', name: 'Event', fields: [{ name: 'at', type: 'string' }] } as const;
    const schema = Schema.json(z.object({ at: z.coerce.date<string>() }), { definition });
    expect(definitionOf(schema as never)).toEqual(definition);
    expect(schema.decode(schema.encode({ at: '2026-01-02T03:04:05Z' }))).toEqual({ at: new Date('2026-01-02T03:04:05Z') });
  });

  it('refuses a schema that validates asynchronously instead of sending what is not checked', () => {
    const schema = Schema.json(z.object({ id: z.string().refine(async () => true) }));
    expect(thrown(() => schema.encode({ id: 'a' })).code).toBe('INVALID_ARGUMENT');
  });
});

describe('a JSON schema from an Avro record', () => {
  const schema = Schema.json({
    type: 'record',
    name: 'Order',
    fields: [
      { name: 'id', type: 'string' },
      { name: 'total', type: 'long' },
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'tags', type: { type: 'array', items: 'string' }, default: [] },
      { name: 'state', type: { type: 'enum', name: 'State', symbols: ['OPEN', 'PAID'] } },
      { name: 'counts', type: { type: 'map', values: 'int' } },
    ],
  });

  it('infers the type of its values', () => {
    interface Value {
      id: string;
      total: number;
      note: string | null;
      tags: string[];
      state: 'OPEN' | 'PAID';
      counts: Record<string, number>;
    }
    expectTypeOf<ReturnType<typeof schema.decode>>().toEqualTypeOf<Value>();
    expectTypeOf<{ id: string; total: number; state: 'OPEN'; counts: Record<string, number> }>().toExtend<
      Parameters<typeof schema.encode>[0]
    >();
    expectTypeOf<{ id: number; total: number; state: 'OPEN'; counts: Record<string, number> }>().not.toExtend<
      Parameters<typeof schema.encode>[0]
    >();
  });

  it('fills in defaults on reading, a new one each time', () => {
    const bytes = schema.encode({ id: 'a', total: 1, state: 'PAID', counts: { x: 1 } });
    const value = schema.decode(bytes);
    expect(value).toEqual({ id: 'a', total: 1, note: null, tags: [], state: 'PAID', counts: { x: 1 } });
    value.tags.push('mine');
    expect(schema.decode(bytes).tags).toEqual([]);
  });

  it.each([
    ['a missing field', { total: 1, state: 'OPEN', counts: {} }, 'id'],
    ['text for a number', { id: 'a', total: '1', state: 'OPEN', counts: {} }, 'total'],
    ['a bigint, which JSON has no form for', { id: 'a', total: 1n, state: 'OPEN', counts: {} }, '1n'],
    ['a name that is not in the enumeration', { id: 'a', total: 1, state: 'GONE', counts: {} }, 'OPEN, PAID'],
    ['a wrong entry of a map', { id: 'a', total: 1, state: 'OPEN', counts: { x: 0.5 } }, 'counts.x'],
    ['a wrong item of a list', { id: 'a', total: 1, state: 'OPEN', counts: {}, tags: ['a', 5] }, 'tags[1]'],
    ['a list for a record', [], 'record Order'],
  ])('refuses %s, and says where', (_name, value, where) => {
    const { code, message } = thrown(() => schema.encode(value as never));
    expect(code).toBe('INVALID_MESSAGE');
    expect(message).toContain(where);
  });

  it('leaves no trace in a value of a union branch that did not fit', () => {
    const shapes = Schema.json<{ shape: unknown }>({
      type: 'record',
      name: 'Box',
      fields: [
        {
          name: 'shape',
          type: [
            {
              type: 'record',
              name: 'Square',
              fields: [
                { name: 'filled', type: 'boolean', default: true },
                { name: 'side', type: 'int' },
              ],
            },
            { type: 'record', name: 'Circle', fields: [{ name: 'radius', type: 'int' }] },
          ],
        },
      ],
    });
    expect(shapes.decode(bytesOf({ shape: { radius: 1 } }))).toEqual({ shape: { radius: 1 } });
    expect(shapes.decode(bytesOf({ shape: { side: 1 } }))).toEqual({ shape: { side: 1, filled: true } });
  });

  it('takes any type that the caller names for the values', () => {
    interface Mine {
      id: string;
    }
    const mine = Schema.json<Mine>({ type: 'record', name: 'Mine', fields: [{ name: 'id', type: 'string' }] });
    expectTypeOf(mine).toEqualTypeOf<SchemaPort<Mine>>();
    expect(mine.decode(mine.encode({ id: 'a' }))).toEqual({ id: 'a' });
  });

  it('refuses a definition that is no record or uses what it does not define', () => {
    expect(thrown(() => Schema.json({ fields: [] } as never)).code).toBe('INVALID_ARGUMENT');
    const dangling = { type: 'record', name: 'R', fields: [{ name: 'x', type: 'Nowhere' }] } as const;
    expect(thrown(() => Schema.json(dangling)).message).toContain('Nowhere');
  });
});
