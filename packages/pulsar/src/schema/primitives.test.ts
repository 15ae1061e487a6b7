import { describe, expect, it } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { Schema as SchemaPort } from './port.ts';
import { Schema } from './schema.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (PulsarError.is(error)) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

describe('primitive schemas', () => {
  const cases: readonly (readonly [string, SchemaPort<never, never>, unknown, string])[] = [
    ['text', Schema.string(), 'zł€', '7ac582e282ac'],
    ['text with a byte order mark', Schema.string(), '\ufeffa', 'efbbbf61'],
    ['true', Schema.boolean(), true, '01'],
    ['a byte', Schema.int8(), -128, '80'],
    ['a short', Schema.int16(), -2, 'fffe'],
    ['an int', Schema.int32(), 2_147_483_647, '7fffffff'],
    ['a long', Schema.int64(), -(2n ** 63n), '8000000000000000'],
    ['a float', Schema.float(), 1.5, '3fc00000'],
    ['a double', Schema.double(), -0.1, 'bfb999999999999a'],
    ['a timestamp', Schema.timestamp(), new Date(1_700_000_000_000), '0000018bcfe56800'],
    ['an instant', Schema.instant(), { epochSeconds: -1n, nanos: 999_999_999 }, 'ffffffffffffffff3b9ac9ff'],
  ] as never;

  it.each(cases)('writes and reads %s as the Java client does', (_name, schema, value, bytes) => {
    expect(hex(schema.encode(value as never))).toBe(bytes);
    expect(schema.decode(Buffer.from(bytes, 'hex'))).toEqual(value);
  });

  it('takes a safe integer for a long, so that a caller need not write 5n', () => {
    expect(hex(Schema.int64().encode(5))).toBe('0000000000000005');
  });

  const misfits: readonly (readonly [string, SchemaPort<never, never>, unknown])[] = [
    ['a number for text', Schema.string(), 5],
    ['null for text', Schema.string(), null],
    ['text for bytes', Schema.bytes(), 'text'],
    ['128 for a byte', Schema.int8(), 128],
    ['1.5 for an int', Schema.int32(), 1.5],
    ['a long beyond 64 bits', Schema.int64(), 2n ** 63n],
    ['an unsafe number for a long', Schema.int64(), 2 ** 53],
    ['a date that is none', Schema.date(), new Date(Number.NaN)],
    ['an instant with a billion nanos', Schema.instant(), { epochSeconds: 0n, nanos: 1_000_000_000 }],
  ] as never;

  it.each(misfits)('refuses %s before it is sent', (_name, schema, value) => {
    expect(codeOf(() => schema.encode(value as never))).toBe('INVALID_MESSAGE');
  });

  it('says CORRUPT of a payload that is not of the type, rather than return garbage', () => {
    expect(codeOf(() => Schema.int32().decode(new Uint8Array(3)))).toBe('CORRUPT');
    expect(codeOf(() => Schema.string().decode(Uint8Array.of(0xff)))).toBe('CORRUPT');
  });
});
