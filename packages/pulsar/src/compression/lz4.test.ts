import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lz4 } from './lz4.ts';

/** The parts of a block: how many bytes stand as they are, and how many are copied from how far back. */
function partsOf(block: Buffer): { literals: number; offset: number; matched: number }[] {
  const parts: { literals: number; offset: number; matched: number }[] = [];
  let at = 0;
  const length = (nibble: number): number => {
    let total = nibble;
    if (nibble < 15) return total;
    let more: number;
    do {
      more = block[at++] as number;
      total += more;
    } while (more === 255);
    return total;
  };
  while (at < block.length) {
    const token = block[at++] as number;
    const literals = length(token >>> 4);
    at += literals;
    if (at === block.length) {
      parts.push({ literals, offset: 0, matched: 0 });
      break;
    }
    const offset = block.readUInt16LE(at);
    at += 2;
    parts.push({ literals, offset, matched: 4 + length(token & 15) });
  }
  return parts;
}

describe('LZ4 blocks', () => {
  // Decoders of others copy eight bytes at a time and rely on it.
  it('end as the format wants: the last five bytes as they are, and no match that starts in the last twelve', () => {
    const data = fc.array(fc.constantFrom('a', 'ab', 'abcd', 'abcdefgh', 'xyz0123456789', 'a'.repeat(300)), { maxLength: 40 });
    let matches = 0;
    fc.assert(
      fc.property(data, (words) => {
        const bytes = Buffer.from(words.join(''));
        const parts = partsOf(lz4.compress(bytes));
        const last = parts.pop();
        expect(last?.matched).toBe(0);
        if (parts.length > 0) expect(last?.literals).toBeGreaterThanOrEqual(5);
        let at = 0;
        for (const { literals, offset, matched } of parts) {
          at += literals;
          expect(bytes.length - at).toBeGreaterThanOrEqual(12);
          expect(offset).toBeLessThanOrEqual(at);
          at += matched;
          matches += 1;
        }
        expect(at + (last?.literals ?? 0)).toBe(bytes.length);
      }),
      { numRuns: 300 },
    );
    expect(matches).toBeGreaterThan(100);
  });
});
