import { describe, expect, it } from 'vitest';
import { settleTurns } from '../testing/settle.ts';
import { createSendWindow } from './send-window.ts';

describe('sends by the addon', () => {
  it('begin in the order of the calls, so many at once, and one that fails makes room', async () => {
    const window = createSendWindow(2);
    const begun: number[] = [];
    const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
    const sends = ends.map(({ promise }, n) =>
      window.run(() => {
        begun.push(n);
        return promise;
      }),
    );
    expect(begun).toEqual([0, 1]);
    ends[1]?.reject(new Error('too large'));
    await expect(sends[1]).rejects.toThrow('too large');
    await settleTurns(2);
    expect(begun).toEqual([0, 1, 2]);
    let settled = false;
    const all = window.settled().then(() => {
      settled = true;
    });
    for (const { resolve } of [ends[0], ends[2]].flatMap((end) => end ?? [])) resolve();
    await settleTurns(2);
    expect([begun, settled]).toEqual([[0, 1, 2, 3], false]);
    ends[3]?.resolve();
    await all;
  });
});
