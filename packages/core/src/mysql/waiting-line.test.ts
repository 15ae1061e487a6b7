import { expect, it } from 'vitest';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createWaitingLine, type WaitingLine } from './waiting-line.ts';

function world(places: number): {
  clock: ReturnType<typeof createVirtualClock>;
  line: WaitingLine;
  log: string[];
  enter(name: string): void;
} {
  const clock = createVirtualClock();
  const line = createWaitingLine({ places, maxWaitMs: 1_000, clock, refusal: () => new Error('waited too long') });
  const log: string[] = [];
  const enter = (name: string): void => {
    line.enter().then(
      () => log.push(`${name} is in`),
      (error: Error) => log.push(`${name} ${error.message}`),
    );
  };
  return { clock, line, log, enter };
}

it('places are had in the order in which they were asked for', async () => {
  const { clock, line, log, enter } = world(2);
  for (const name of ['a', 'b', 'c', 'd']) enter(name);
  await clock.settle();
  expect(log).toEqual(['a is in', 'b is in']);
  line.leave();
  await clock.settle();
  expect(log).toEqual(['a is in', 'b is in', 'c is in']);
  line.leave();
  await clock.settle();
  expect(log.at(-1)).toBe('d is in');
  expect(clock.pendingTimers).toBe(0);
});

it('who has waited for too long is told so, gets no place later and leaves nothing behind', async () => {
  const { clock, line, log, enter } = world(1);
  enter('a');
  enter('b');
  await clock.advance(500);
  enter('c');
  await clock.advance(500);
  expect(log).toEqual(['a is in', 'b waited too long']);
  line.leave();
  await clock.settle();
  expect(log.at(-1)).toBe('c is in');
  expect(clock.pendingTimers).toBe(0);
  line.leave();
  enter('d');
  await clock.settle();
  expect(log.at(-1)).toBe('d is in');
});
