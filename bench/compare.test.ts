import { expect, it } from 'vitest';
import { type Contestant, compare } from './compare.ts';

function contestant(name: string, figures: readonly number[], log: string[]): Contestant {
  let next = 0;
  return {
    name,
    round: () => {
      log.push(name);
      return Promise.resolve(figures[next++]!);
    },
  };
}

it('a slow moment of the machine hits both sides: rounds take turns, the warm-up does not count, the median does', async () => {
  const log: string[] = [];
  const finding = await compare({
    case: 'c',
    unit: 'x/s',
    measured: contestant('ours', [999, 10, 30, 20], log),
    reference: contestant('theirs', [999, 40, 5, 50], log),
    goal: 0.4,
    rounds: 3,
  });
  expect(log).toEqual(Array.from({ length: 4 }, () => ['theirs', 'ours']).flat());
  expect(finding).toEqual({
    case: 'c',
    unit: 'x/s',
    measured: { name: 'ours', median: 20, min: 10, max: 30 },
    reference: { name: 'theirs', median: 40, min: 5, max: 50 },
    ratio: 0.5,
    goal: 0.4,
  });
});

it('without a reference there is no ratio to misread, and an even number of rounds has the mean of its middle two', async () => {
  const finding = await compare({ case: 'c', unit: 'x/s', measured: contestant('ours', [1, 2, 4, 9], []), rounds: 4, warmup: 0 });
  expect(finding).toEqual({ case: 'c', unit: 'x/s', measured: { name: 'ours', median: 3, min: 1, max: 9 } });
});
