import { describe, expect, it } from 'vitest';
import { percentile, recoveriesOf, recoveryLine, recoveryRows, undisturbedMs } from './recovery.ts';

const kills = [{ victim: 'wallet-1', point: undefined, killedMs: 100, readyMs: 900 }];
const orders = [
  { startedMs: 0, endedMs: 99 },
  { startedMs: 50, endedMs: 150 },
  { startedMs: 99, endedMs: 1_100 },
  { startedMs: 101, endedMs: 200 },
  { startedMs: 950, endedMs: 1_000 },
];

describe('the report of recoveries', () => {
  it('counts the orders that were under way at a kill, and no others', () => {
    const [recovery] = recoveriesOf(kills, orders);
    expect(recovery).toMatchObject({ untilReadyMs: 800, ordersMs: [50, 1_000] });
    expect(recoveryRows(recovery === undefined ? [] : [recovery])[1]).toEqual({
      died: 'at any moment',
      kills: 1,
      ...{ 'ready p50': 800, 'ready p99': 800, 'ready max': 800 },
      ...{ 'order p50': 50, 'order p99': 1_000, 'order max': 1_000 },
      ...{ 'last order p50': 1_000, 'last order p99': 1_000, 'last order max': 1_000 },
    });
  });

  it('has a line for each kill', () => {
    const lines = recoveriesOf(kills, orders).map((one): unknown => JSON.parse(recoveryLine(one)));
    expect(lines).toEqual([{ victim: 'wallet-1', at: 'any moment', readyMs: 800, orders: 2, orderP50Ms: 50, lastOrderMs: 1_000 }]);
  });

  it('compares with the orders of calm times only', () => {
    expect(undisturbedMs(kills, orders)).toEqual([99, 50]);
  });

  it('takes the value that a share of all does not exceed', () => {
    const values = Array.from({ length: 200 }, (_, index) => 200 - index);
    expect([0.5, 0.99, 1].map((share) => percentile(values, share))).toEqual([100, 198, 200]);
    expect(percentile([], 0.5)).toBe(0);
  });
});
