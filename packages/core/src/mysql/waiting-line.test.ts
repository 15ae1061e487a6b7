import { expect, it } from 'vitest';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createWaitingLine, type WaitingLine } from './waiting-line.ts';

function world(places: number): {
  clock: ReturnType<typeof createVirtualClock>;
  line: WaitingLine;
  log: string[];
  enter(name: string, urgent?: boolean): void;
} {
  const clock = createVirtualClock();
  const line = createWaitingLine({ places, maxWaitMs: 1_000, clock, refusal: () => new Error('waited too long') });
  const log: string[] = [];
  const enter = (name: string, urgent?: boolean): void => {
    line.enter(urgent).then(
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

it('who is urgent goes before others, and finds the last place kept from the first time on', async () => {
  const { clock, line, log, enter } = world(2);
  for (const name of ['a', 'b', 'c']) enter(name);
  enter('lease', true);
  await clock.settle();
  expect(log).toEqual(['a is in', 'b is in']);
  line.leave();
  await clock.settle();
  expect(log.at(-1)).toBe('lease is in');
  line.leave();
  await clock.settle();
  expect(log.at(-1)).toBe('lease is in');
  enter('lease again', true);
  await clock.settle();
  expect(log.at(-1)).toBe('lease again is in');
  line.leave();
  line.leave();
  await clock.settle();
  expect(log.at(-1)).toBe('c is in');
  expect(clock.pendingTimers).toBe(0);
});

it('a single place is kept for nobody', async () => {
  const { clock, line, log, enter } = world(1);
  enter('lease', true);
  enter('a');
  await clock.settle();
  line.leave();
  await clock.settle();
  expect(log).toEqual(['lease is in', 'a is in']);
});
