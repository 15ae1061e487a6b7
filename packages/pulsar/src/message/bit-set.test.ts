import { describe, expect, it } from 'vitest';
import { BitSet } from './bit-set.ts';

describe('the bit set of a batch', () => {
  it('writes the words that the Java client writes', () => {
    const ten = new BitSet(10);
    ten.clear(3);
    expect(ten.toAckSet()).toEqual([1015n]);
    const seventy = new BitSet(70);
    seventy.clearThrough(4);
    expect(seventy.toAckSet()).toEqual([-32n, 63n]);
    expect(new BitSet(64).toAckSet()).toEqual([-1n]);
  });

  it('reads what it wrote', () => {
    for (const size of [1, 31, 32, 33, 63, 64, 65, 127, 128, 1000]) {
      const bits = new BitSet(size);
      for (let index = 0; index < size; index += 3) bits.clear(index);
      const again = new BitSet(size, bits.toAckSet());
      expect(again.count).toBe(bits.count);
      for (let index = 0; index < size; index++) expect(again.has(index)).toBe(index % 3 !== 0);
    }
  });

  it('clears a run the same way as one by one', () => {
    for (const through of [0, 1, 30, 31, 32, 33, 63, 64, 98, 99, 200]) {
      const run = new BitSet(100);
      const single = new BitSet(100);
      run.clear(7);
      single.clear(7);
      run.clearThrough(through);
      for (let index = 0; index <= through; index++) single.clear(index);
      expect(run.count).toBe(single.count);
      expect(run.toAckSet()).toEqual(single.toAckSet());
    }
  });

  it('counts a member once however often it is acknowledged', () => {
    const bits = new BitSet(3);
    expect(bits.clear(1)).toBe(true);
    expect(bits.clear(1)).toBe(false);
    expect(bits.count).toBe(2);
    bits.clearThrough(99);
    expect(bits.count).toBe(0);
  });
});
