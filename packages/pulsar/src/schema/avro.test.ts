import * as avsc from 'avsc';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import { Schema } from './schema.ts';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (PulsarError.is(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'nothing thrown';
}

const definition = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'total', type: 'long' },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'signature', type: 'bytes' },
  ],
} as const;

describe('an Avro schema', () => {
  const schema = Schema.avro(definition);

  it('writes plain Avro without a header, as the Java client does', () => {
    const bytes = schema.encode({ id: 'ab', total: -1, signature: Buffer.from([7]) });
    expect(Buffer.from(bytes).toString('hex')).toBe('046162' + '01' + '00' + '0207');
    expect({ ...schema.decode(bytes) }).toEqual({ id: 'ab', total: -1, note: null, signature: Buffer.from([7]) });
    expect(JSON.parse(Buffer.from(schema.info?.data ?? []).toString())).toEqual(definition);
  });

  it('infers the type of its values', () => {
    expectTypeOf<ReturnType<typeof schema.decode>>().toEqualTypeOf<{ id: string; total: number; note: string | null; signature: Buffer }>();
    const big = Schema.avro(definition, { long: 'bigint' });
    expectTypeOf<ReturnType<typeof big.decode>['total']>().toEqualTypeOf<bigint>();
  });

  it('keeps every bit of a long as a bigint, and refuses an unsafe one as a number', () => {
    const big = Schema.avro(definition, { long: 'bigint' });
    const bytes = big.encode({ id: 'a', total: 2n ** 62n + 1n, signature: Buffer.alloc(0) });
    expect(big.decode(bytes).total).toBe(2n ** 62n + 1n);
    expect(codeOf(() => schema.decode(bytes))).toMatch(/^CORRUPT/);
  });

  it('names the field of a value that does not fit', () => {
    expect(codeOf(() => schema.encode({ id: 'a', total: 'x', signature: Buffer.alloc(0) } as never))).toMatch(/^INVALID_MESSAGE.*total/);
    expect(codeOf(() => schema.encode(null as never))).toMatch(/^INVALID_MESSAGE/);
  });

  it('says CORRUPT of bytes that end early or go on', () => {
    const bytes = Buffer.from(schema.encode({ id: 'a', total: 1, signature: Buffer.alloc(0) }));
    expect(codeOf(() => schema.decode(bytes.subarray(0, -1)))).toMatch(/^CORRUPT/);
    expect(codeOf(() => schema.decode(Buffer.concat([bytes, Buffer.alloc(1)])))).toMatch(/^CORRUPT/);
  });

  it('reads what an older version wrote, of a Java class in a package too', () => {
    const older = { type: 'record', name: 'Order', namespace: 'com.example', fields: definition.fields.slice(0, 2) };
    const signed = Schema.avro({
      ...definition,
      fields: [...definition.fields.slice(0, 3), { name: 'signature', type: 'bytes', default: '' }],
    });
    const bytes = Schema.avro<{ id: string; total: number }>(older as never).encode({ id: 'a', total: 2 });
    const read = signed.writtenWith?.(Buffer.from(JSON.stringify(older)));
    expect({ ...(read?.(bytes) as object) }).toEqual({ id: 'a', total: 2, note: null, signature: Buffer.alloc(0) });
  });

  it('refuses a version that cannot be read as this one', () => {
    const other = { ...definition, fields: [{ name: 'id', type: 'int' }] };
    expect(codeOf(() => schema.writtenWith?.(Buffer.from(JSON.stringify(other))))).toMatch(/^INCOMPATIBLE_SCHEMA/);
    expect(codeOf(() => schema.writtenWith?.(Buffer.from('nonsense')))).toMatch(/^INCOMPATIBLE_SCHEMA/);
  });

  it('refuses a definition that Avro does not take', () => {
    const wrong = { type: 'record', name: 'Order', fields: [{ name: 'x', type: 'Nowhere' }] } as const;
    expect(codeOf(() => Schema.avro(wrong))).toMatch(/^INVALID_ARGUMENT.*Nowhere/);
  });

  it('uses the library that it is given, for bundles that cannot load one by name', () => {
    const bytes = Schema.avro(definition, { avsc }).encode({ id: 'a', total: 1, signature: Buffer.alloc(0) });
    expect(schema.decode(bytes).id).toBe('a');
  });
});
