import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from './crc32c.ts';

/** By the definition, bit by bit. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('checksum', () => {
  it('has the known values', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe306_9283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a91_36aa);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
  });

  it('is right wherever the bytes lie, and in however many buffers', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 160, size: 'max' }), fc.uint8Array({ maxLength: 700, size: 'max' }));
    fc.assert(
      fc.property(bytes, fc.nat(20), fc.nat(700), (content, offset, cut) => {
        const held = Buffer.alloc(offset + content.length + 7, 0xaa).subarray(offset);
        held.set(content);
        const expected = bitwise(content);
        expect(crc32c(held, 0, content.length)).toBe(expected);
        const at = Math.min(cut, content.length);
        expect(crc32c(held, at, content.length, crc32c(held, 0, at))).toBe(expected);
        expect(crc32c(Uint8Array.from(content))).toBe(expected);
      }),
      { numRuns: 500 },
    );
  });
});
