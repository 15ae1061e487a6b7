import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createIdGenerator } from './id.ts';
import { createSeededRandom } from './seeded-random.ts';
import { systemRandom } from './system-random.ts';

describe('ids', () => {
  it('are version 7 UUIDs, unique, and sort in the order in which they were made, more than fit a millisecond included', async () => {
    const clock = createVirtualClock();
    const newId = createIdGenerator(clock, createSeededRandom(1));
    const ids: string[] = [];
    for (let ms = 0; ms < 5; ms++) {
      for (let i = 0; i < 6_000; i++) ids.push(newId());
      await clock.advance(1);
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(ids.toSorted());
    expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(true);
    expect(Number.parseInt((ids[0] as string).replace('-', '').slice(0, 12), 16)).toBe(clock.now() - 5);
  });

  it('still sort when the clock goes back', () => {
    let now = 2_000;
    const newId = createIdGenerator({ ...createVirtualClock(), now: () => now }, systemRandom);
    const first = newId();
    now = 1_000;
    expect(newId() > first).toBe(true);
  });

  it('of two generators in one millisecond differ', () => {
    const clock = createVirtualClock();
    const ids = [1, 2, 3, 4].map((seed) => createIdGenerator(clock, createSeededRandom(seed))());
    expect(new Set(ids).size).toBe(4);
  });
});

describe('seeded random', () => {
  it('repeats itself for one seed and differs for another', () => {
    const draw = (seed: number): readonly unknown[] => {
      const random = createSeededRandom(seed);
      return [random.next(), ...random.fill(new Uint8Array(16)), random.next()];
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('gives numbers from 0 to 1, evenly', () => {
    const random = createSeededRandom(3);
    const buckets = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      buckets[Math.floor(value * 10)]! += 1;
    }
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});

describe('system random', () => {
  it.each([1, 16, 4_095, 4_096, 10_000])('fills %s bytes', (length) => {
    const a = systemRandom.fill(new Uint8Array(length));
    const b = systemRandom.fill(new Uint8Array(length));
    expect(a).toHaveLength(length);
    if (length >= 16) expect(a).not.toEqual(b);
  });

  it('does not give the same bytes twice', () => {
    const drawn = new Set(Array.from({ length: 2_000 }, () => Buffer.from(systemRandom.fill(new Uint8Array(9))).toString('hex')));
    expect(drawn.size).toBe(2_000);
  });
});
