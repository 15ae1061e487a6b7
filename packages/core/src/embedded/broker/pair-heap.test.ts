import fc from 'fast-check';
import { expect, it } from 'vitest';
import { PairHeap } from './pair-heap.ts';

it('gives delayed messages in the order of their times, equal ones in the order of their places', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1_000 }))),
      fc.nat({ max: 30 }),
      (pairs, taken) => {
        const heap = new PairHeap();
        const out: [number, number][] = [];
        const take = (): void => {
          const rank = heap.lowest;
          out.push([rank, heap.pop() as number]);
        };
        pairs.forEach(([rank, value]) => {
          heap.push(rank, value);
        });
        const expected = [...pairs].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        for (let i = 0; i < Math.min(taken, pairs.length); i++) take();
        // Some go in again: the heap must hold in the middle of its life too.
        for (const [rank, value] of out.splice(0)) heap.push(rank, value);
        while (heap.size > 0) take();
        expect(out).toEqual(expected);
        expect(heap.pop()).toBeUndefined();
      },
    ),
  );
});
