import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { PassingMap } from './passing-map.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;

describe('a map of what comes and goes', () => {
  it('keeps what is there however much comes and goes beside it', () => {
    const map = new PassingMap<string, number>();
    for (let n = 0; n < 3; n++) map.add(`stays ${n}`, n);
    for (let n = 0; n < 10_000; n++) {
      map.add(`passes ${n}`, n);
      if (n >= 500) expect(map.delete(`passes ${n - 500}`)).toBe(true);
    }
    expect(map.size).toBe(503);
    expect(map.values().toSorted((one, other) => one - other)).toEqual([0, 1, 2, ...Array.from({ length: 500 }, (_, n) => 9_500 + n)]);
    expect([map.get('stays 0'), map.get('passes 9999'), map.get('passes 9499')]).toEqual([0, 9_999, undefined]);
    expect(map.delete('passes 9499')).toBe(false);
    map.clear();
    expect([map.size, map.get('stays 0')]).toEqual([0, undefined]);
  });

  it('holds no memory of what has gone, even after a full collection: a consumer would spend more time on that than on messages', () => {
    const map = new PassingMap<number, readonly number[]>();
    const pass = (from: number, to: number): void => {
      for (let n = from; n < to; n++) {
        map.add(n, new Array<number>(100).fill(n));
        map.delete(n - 1_000);
      }
    };
    pass(0, 10_000);
    collect();
    const before = process.memoryUsage().heapUsed;
    pass(10_000, 60_000);
    collect({ type: 'minor' });
    collect({ type: 'minor' });
    // All of them are 40 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000);
  });
});
