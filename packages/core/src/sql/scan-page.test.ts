import { describe, expect, it } from 'vitest';
import { type ScannedPage, scanPage } from './scan-page.ts';

/** Reads numbers up to `count`, and says how many it was asked for. */
function numbers(count: number) {
  const asked: number[] = [];
  const read = async (after: number | undefined, limit: number): Promise<readonly number[]> => {
    asked.push(limit);
    const from = after === undefined ? 1 : after + 1;
    return Array.from({ length: Math.max(0, Math.min(limit, count - from + 1)) }, (_, i) => from + i);
  };
  const page = (size: number, wanted: (row: number) => boolean, after?: number): Promise<ScannedPage<number>> =>
    scanPage({ size, wanted, read: (last, limit) => read(last ?? after, limit) });
  return { asked, page };
}

describe('a page of rows', () => {
  it('is full at the cost of one query where every row is wanted', async () => {
    const { asked, page } = numbers(30);
    expect(await page(10, () => true)).toEqual({ rows: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], last: 10 });
    expect(await page(10, () => true, 20)).toEqual({ rows: [21, 22, 23, 24, 25, 26, 27, 28, 29, 30], last: undefined });
    expect(asked).toEqual([11, 11]);
  });

  it('looks at 2,000 rows at most, and every wanted row is on one page', async () => {
    const { asked, page } = numbers(5_000);
    const rare = (row: number): boolean => row % 1_900 === 0;
    const first = await page(10, rare);
    expect(first).toEqual({ rows: [1_900], last: 2_000 });
    expect(asked.reduce((sum, limit) => sum + limit)).toBe(2_000);
    const second = await page(10, rare, first.last);
    expect(second).toEqual({ rows: [3_800], last: 4_000 });
    expect(await page(10, rare, second.last)).toEqual({ rows: [], last: undefined });
    expect(Math.max(...asked)).toBeLessThanOrEqual(500);
  });

  it('goes on behind its last row where it is full, not behind the last that was looked at', async () => {
    const { page } = numbers(5_000);
    expect(await page(2, (row) => row % 100 === 0)).toEqual({ rows: [100, 200], last: 200 });
    expect(await page(1_000, () => true, 3_999)).toMatchObject({ last: 4_999 });
    expect(await page(1_000, () => true, 4_000)).toMatchObject({ last: undefined });
  });
});
