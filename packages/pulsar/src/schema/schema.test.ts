import { DurationSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { Schema as SchemaPort } from './port.ts';
import { Schema } from './schema.ts';

const record = {
  type: 'record',
  name: 'Everything',
  fields: [
    { name: 'text', type: 'string' },
    { name: 'count', type: 'int' },
    { name: 'share', type: 'double' },
    { name: 'maybe', type: ['null', 'boolean'] },
    { name: 'list', type: { type: 'array', items: 'string' } },
    { name: 'map', type: { type: 'map', values: 'int' } },
    { name: 'choice', type: { type: 'enum', name: 'Choice', symbols: ['A', 'B'] } },
  ],
} as const;

const value = fc.record({
  text: fc.string({ unit: 'grapheme' }),
  count: fc.integer(),
  share: fc.double({ noNaN: true, noDefaultInfinity: true }).map((share) => (Object.is(share, -0) ? 0 : share)),
  maybe: fc.option(fc.boolean()),
  list: fc.array(fc.string()),
  map: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.integer(), { noNullPrototype: true }),
  choice: fc.constantFrom('A', 'B'),
});

const Everything = z.object({
  text: z.string(),
  count: z.int32(),
  share: z.number(),
  maybe: z.boolean().nullable(),
  list: z.array(z.string()),
  map: z.record(z.string(), z.int32()),
  choice: z.enum(['A', 'B']),
});

const ofRecords: readonly (readonly [string, SchemaPort<unknown>])[] = [
  ['JSON of an Avro record', Schema.json(record)],
  ['JSON of zod', Schema.json(Everything)],
  ['Avro', Schema.avro(record)],
] as never;

describe('any schema', () => {
  it.each(ofRecords)('%s gives back what was put in', (_name, schema) => {
    fc.assert(
      fc.property(value, (given) => {
        expect(structuredClone(schema.decode(schema.encode(given)))).toEqual(given);
      }),
    );
  });

  it.each([
    ...ofRecords,
    ['text', Schema.string()],
    ['an instant', Schema.instant()],
    ['Protobuf', Schema.protobufNative(DurationSchema)],
  ] as readonly (readonly [string, SchemaPort<unknown>])[])('%s says CORRUPT of damaged bytes, and nothing worse', (_name, schema) => {
    const valid = value.map((given) => Buffer.from(JSON.stringify(given)));
    const damaged = fc.tuple(valid, fc.nat(), fc.uint8Array({ maxLength: 8 })).map(([bytes, at, patch]) => {
      const copy = Buffer.from(bytes);
      copy.set(patch.subarray(0, Math.max(0, copy.length - (at % copy.length))), at % copy.length);
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), damaged), (bytes) => {
        try {
          schema.decode(bytes);
        } catch (error) {
          expect(PulsarError.is(error) && error.code).toBe('CORRUPT');
        }
      }),
    );
  });
});
