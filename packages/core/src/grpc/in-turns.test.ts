import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { inTurns } from './in-turns.ts';

it('does at once what a turn has room for, and the rest in its order in the turns that follow', async () => {
  const done: number[] = [];
  const run = inTurns(3);
  for (let index = 0; index < 8; index++) run(() => done.push(index));
  expect(done).toEqual([0, 1, 2]);
  await turnOfTheLoop();
  expect(done).toEqual([0, 1, 2, 3, 4, 5]);
  // What comes later does not overtake what waits.
  run(() => done.push(8));
  await turnOfTheLoop();
  expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await turnOfTheLoop();
  run(() => done.push(9));
  expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it('goes on with the rest after work that asks for more', async () => {
  const done: string[] = [];
  const run = inTurns(1);
  run(() => done.push('first'));
  run(() => run(() => done.push('asked for by the second')));
  run(() => done.push('third'));
  for (let turns = 0; turns < 3; turns++) await turnOfTheLoop();
  expect(done).toEqual(['first', 'third', 'asked for by the second']);
});
