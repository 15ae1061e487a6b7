import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PulsarError } from '../errors/pulsar-error.ts';
import { CompressionType } from '../gen/pulsar/wire_pb.ts';
import type { Codec } from './codec.ts';
import { codecOf, decompress } from './codecs.ts';
import { lz4 } from './lz4.ts';
import { snappy } from './snappy.ts';
import { zlib, zstd } from './zlib.ts';

// Of Java codecs 4.0.7.
const text = Buffer.from('pulsar pulsar pulsar pulsar pulsar pulsar 0123456789');
const vectors: readonly (readonly [string, Codec, string])[] = [
  ['lz4', lz4, '7f70756c73617220070010a030313233343536373839'],
  ['zlib', zlib, '789c2a28cd294e2c5228204c19181a199b989a995b5802000000ffff'],
  ['zstd', zstd, '28b52ffd2434bd00008870756c736172203031323334353637383901004416232b117ef8'],
  ['snappy', snappy, '341870756c736172208a07002430313233343536373839'],
];
const corrupt = expect.objectContaining({ code: 'CORRUPT' });

/** Data as it occurs: parts that repeat, near and far, and parts that do not. */
const data: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((part) => ({ part, times: 1 })),
      fc.record({ part: fc.uint8Array({ minLength: 1, maxLength: 40 }), times: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ part: fc.uint8Array({ minLength: 1000, maxLength: 3000, size: 'max' }), times: fc.constantFrom(1, 2, 30) }),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts.flatMap(({ part, times }) => new Array<Uint8Array>(times).fill(part))));

describe.each(vectors)('%s', (name, codec, hex) => {
  it('reads what the Java client wrote', () => {
    expect(codec.decompress(Buffer.from(hex, 'hex'), text.length)).toEqual(text);
    expect(codecOf(name as 'lz4')).toBe(codec);
  });

  it('reads what it wrote, whatever it was', () => {
    fc.assert(
      fc.property(data, (bytes) => {
        const compressed = codec.compress(bytes);
        expect(codec.decompress(compressed, bytes.length).equals(bytes)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('makes repetition small, and noise hardly larger', () => {
    const repetition = Buffer.alloc(200_000, 'abcdefgh-0123');
    expect(codec.compress(repetition).length).toBeLessThan(repetition.length / 15);
    const noise = Buffer.concat(Array.from({ length: 6_250 }, (_, n) => createHash('sha256').update(`${n}`).digest()));
    const compressed = codec.compress(noise);
    expect(compressed.length).toBeLessThan(noise.length * 1.01 + 64);
    expect(codec.decompress(compressed, noise.length).equals(noise)).toBe(true);
  });

  it('refuses another size than declared', () => {
    const compressed = codec.compress(text);
    for (const size of [0, 1, text.length - 1, text.length + 1, 100_000]) expect(() => codec.decompress(compressed, size)).toThrow(corrupt);
  });

  it('refuses a small payload that claims to be huge, before it takes the memory', () => {
    const before = process.memoryUsage().rss;
    expect(() => codec.decompress(codec.compress(text), 0xffff_ffff)).toThrow(corrupt);
    const bomb = codec.compress(Buffer.alloc(50_000_000));
    expect(() => codec.decompress(bomb, 1000)).toThrow(corrupt);
    expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000);
  });

  it('neither hangs nor fails in an unknown way over damaged bytes', () => {
    const damage = fc.array(fc.record({ at: fc.nat(5000), to: fc.nat(255) }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(data, damage, fc.nat(8), (bytes, changes, cut) => {
        const compressed = Buffer.from(codec.compress(bytes));
        if (compressed.length === 0) return;
        for (const { at, to } of changes) compressed[at % compressed.length] = to;
        expectSizeOrCorrupt(codec, compressed.subarray(0, compressed.length - cut), bytes.length);
      }),
      { numRuns: 300 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5000), (bytes, size) => expectSizeOrCorrupt(codec, bytes, size)),
      { numRuns: 1000 },
    );
  });
});

function expectSizeOrCorrupt(codec: Codec, bytes: Uint8Array, size: number): void {
  try {
    expect(codec.decompress(bytes, size).length).toBe(size);
  } catch (error) {
    if (!PulsarError.is(error)) throw error;
    expect(error.code).toBe('CORRUPT');
  }
}

describe('decompression of an entry', () => {
  it('leaves alone what is not compressed', () => {
    expect(decompress(undefined, text, 0, 10)).toBe(text);
    expect(decompress(CompressionType.NONE, text, text.length, 10)).toBe(text);
    expect(codecOf('none')).toBeUndefined();
  });

  it('takes the nothing that Java makes of an empty payload', () => {
    expect(decompress(CompressionType.ZLIB, Buffer.alloc(0), 0, 10)).toHaveLength(0);
  });

  it('reads ZLIB with an end, as Go writes it', () => {
    expect(decompress(CompressionType.ZLIB, deflateSync(text), text.length, 100)).toEqual(text);
  });

  it('refuses what is larger than allowed, and codecs that nobody knows', () => {
    expect(() => decompress(CompressionType.LZ4, lz4.compress(text), text.length, text.length - 1)).toThrow(corrupt);
    expect(() => decompress(9 as CompressionType, text, text.length, 100)).toThrow(corrupt);
    expect(() => codecOf('toString' as 'lz4')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
