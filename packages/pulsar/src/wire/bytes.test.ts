import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter, stringBound } from './byte-writer.ts';
import { readName } from './names.ts';
import { bits64, number64 } from './test-support.ts';

const written = (bytes: number, write: (writer: ByteWriter) => void): ByteReader => {
  const writer = new ByteWriter(Buffer.alloc(bytes));
  write(writer);
  return new ByteReader(writer.buffer, 0, writer.at);
};

describe('numbers', () => {
  it('of 64 bits are read as they were written, with their sign', () => {
    fc.assert(
      fc.property(number64, bits64, (number, bits) => {
        const reader = written(40, (writer) => {
          writer.varint(number);
          writer.varintBig(BigInt(number));
          writer.varintBig(bits);
          writer.varintBig(BigInt.asUintN(64, bits));
        });
        expect([reader.number(), reader.number(), reader.bigint(), reader.bigint()]).toEqual([number, number, bits, bits]);
        expect(reader.at).toBe(reader.end);
      }),
      { numRuns: 1000 },
    );
  });

  it('that do not end are refused, and never read beyond their part', () => {
    const corrupt = expect.objectContaining({ code: 'CORRUPT' });
    for (let length = 0; length < 12; length++) {
      const buffer = Buffer.alloc(20, 0x80);
      buffer[length] = 0;
      const read = (method: 'number' | 'uint32' | 'bigint' | 'bool') => (): unknown => new ByteReader(buffer, 0, length)[method]();
      for (const method of ['number', 'uint32', 'bigint', 'bool'] as const) expect(read(method)).toThrow(corrupt);
    }
    for (const wireType of [0, 1, 2, 3, 4, 5, 6, 7]) {
      expect(() => new ByteReader(Buffer.alloc(8, 3), 0, 3).skip(wireType === 0 ? 7 : wireType), `${wireType}`).toThrow(corrupt);
    }
  });
});

describe('text', () => {
  it('of any length is read as it was written, and what follows stays in its place', () => {
    for (const length of [0, 1, 5, 6, 15, 16, 42, 43, 127, 128, 5461, 16_383, 16_384, 2_097_151, 2_097_152]) {
      for (const letter of ['a', 'ü', '語']) {
        const text = letter.repeat(length);
        const reader = written(stringBound(text) + 1, (writer) => {
          writer.string(text);
          writer.byte(7);
        });
        expect(reader.string() === text, `${length} ${letter}`).toBe(true);
        expect(reader.uint32()).toBe(7);
      }
    }
  });

  it('of names is read as it is, however many others were read before', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 45, size: 'max' }),
      fc.string({ unit: fc.constantFrom('a', 'b', 'é'), maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(name, { maxLength: 50, size: 'max' }), (names) => {
        const reader = written(
          names.reduce((sum, text) => sum + stringBound(text), 0),
          (writer) => {
            for (const text of names) writer.string(text);
          },
        );
        expect(names.map(() => readName(reader))).toEqual(names);
      }),
      { numRuns: 200 },
    );
    const invalid = [Buffer.from('01ff', 'hex'), Buffer.from('01fd', 'hex'), Buffer.from('02c3a9', 'hex')];
    expect(invalid.map((bytes) => readName(new ByteReader(bytes)))).toEqual(['\ufffd', '\ufffd', 'é']);
  });
});
