import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cursor } from './cursor.ts';
import { packRanges, unpackRanges } from './range-codec.ts';
import { RangeSet } from './range-set.ts';

const operations = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 60 }) }) },
    { weight: 1, arbitrary: fc.record({ absorb: fc.integer({ min: 0, max: 60 }) }) },
  ),
  { maxLength: 120, size: 'max' },
);

describe('RangeSet', () => {
  it('holds just what a plain set would, so that nothing is acknowledged by mistake or forgotten', () => {
    fc.assert(
      fc.property(operations, (all) => {
        const ranges = new RangeSet();
        const plain = new Set<number>();
        for (const operation of all) {
          if ('add' in operation) {
            expect(ranges.add(operation.add)).toBe(!plain.has(operation.add));
            plain.add(operation.add);
          } else {
            let reached = operation.absorb;
            while (plain.has(reached)) reached += 1;
            expect(ranges.absorb(operation.absorb)).toBe(reached);
            for (const value of [...plain]) if (value < reached) plain.delete(value);
          }
          expect(ranges.size).toBe(plain.size);
          for (let value = 0; value <= 61; value++) expect(ranges.has(value)).toBe(plain.has(value));
          const flat = ranges.flat();
          for (let i = 1; i < flat.length; i++)
            expect(flat[i] as number, 'ranges neither touch nor overlap').toBeGreaterThan(flat[i - 1] as number);
        }
      }),
    );
  });
});

describe('Cursor', () => {
  it('is the same after it was stored and loaded, wherever its holes are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5_000_000_000 }), { maxLength: 60 }),
        fc.integer({ min: 0, max: 40 }),
        (sequences, start) => {
          const cursor = new Cursor(start);
          for (const sequence of [...sequences, start + 1, start, start + 3]) cursor.acknowledge(sequence);
          const loaded = new Cursor(cursor.position, unpackRanges(packRanges(cursor.ranges())));
          expect(loaded.position).toBe(cursor.position);
          expect(loaded.ranges()).toEqual(cursor.ranges());
          const tail = 5_000_000_100;
          expect(loaded.backlog(tail)).toBe(
            tail - new Set([...sequences, start + 1, start, start + 3].filter((one) => one >= start)).size - start,
          );
        },
      ),
    );
  });
});
