import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Line } from './line.ts';

it('is a list that is taken from and put back at the front', () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('push' as const), count: fc.integer({ min: 0, max: 900 }) }),
    fc.record({ do: fc.constant('drop' as const), count: fc.integer({ min: 0, max: 1_500 }) }),
    fc.record({ do: fc.constant('putBack' as const), count: fc.integer({ min: 0, max: 30 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const line = new Line<number>();
      let list: number[] = [];
      let next = 0;
      for (const { do: what, count } of steps) {
        const items = Array.from({ length: count }, () => next++);
        if (what === 'push') {
          for (const item of items) line.push(item);
          list.push(...items);
        } else if (what === 'drop') {
          line.drop(Math.min(count, line.size));
          list = list.slice(count);
        } else {
          line.putBack(items);
          list = [...items, ...list];
        }
        expect(line.size).toBe(list.length);
        expect(line.first(7)).toEqual(list.slice(0, 7));
      }
      expect(line.first(line.size)).toEqual(list);
      line.clear();
      expect(line.size).toBe(0);
    }),
  );
});
