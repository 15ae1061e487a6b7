import { describe, expect, it } from 'vitest';
import { bucketOf, createKeySketch } from './key-sketch.ts';

const keys = Array.from({ length: 100_000 }, (_, i) => `pay_order-${i}:charge:1`);

describe('a sketch of two heaps of keys', () => {
  it('finds heaps of the same keys to be the same, in whatever order they come', () => {
    const sketch = createKeySketch();
    for (const key of keys) sketch.add(key);
    for (const key of keys.toReversed()) sketch.take(key);
    expect(sketch.differing(10).size).toBe(0);
  });

  it('names the bucket of each key that is missing on a side, or there twice, and no other', () => {
    const sketch = createKeySketch();
    const [absent = '', unknown = '', twice = ''] = keys;
    for (const key of [...keys.slice(1), twice]) sketch.add(key);
    for (const key of [absent, ...keys.slice(2)]) sketch.take(key);
    expect([...sketch.differing(10)].sort()).toEqual([absent, unknown, twice].map(bucketOf).sort());
    const first = [...sketch.differing(2)];
    expect(first).toHaveLength(2);
    expect([...first, ...sketch.differing(2, (first.at(-1) ?? 0) + 1)]).toEqual([...sketch.differing(10)]);
  });

  it('spreads keys that hardly differ, so that a bucket in doubt holds few others', () => {
    const perBucket = new Map<number, number>();
    for (const key of keys) perBucket.set(bucketOf(key), (perBucket.get(bucketOf(key)) ?? 0) + 1);
    expect(Math.max(...perBucket.values())).toBeLessThan(10);
  });
});
