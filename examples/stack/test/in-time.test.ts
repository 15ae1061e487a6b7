import { createVirtualClock } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { inTime } from '../src/engine/in-time.ts';

it('a server that takes connections and answers nothing is named, rather than the check that took too long', async () => {
  const clock = createVirtualClock();
  const waiting = expect(inTime(new Promise(() => undefined), 'MySQL', 1_800, clock)).rejects;
  const told = waiting.toMatchObject({ code: 'UNAVAILABLE', reason: 'NO_ANSWER', message: 'MySQL did not answer within 1800 ms' });
  await clock.advance(1_800);
  await told;
});

it('an answer in time is given on, and so is a failure', async () => {
  const clock = createVirtualClock();
  expect(await inTime(Promise.resolve('yes'), 'MySQL', 1_800, clock)).toBe('yes');
  await expect(inTime(Promise.reject(new Error('no')), 'MySQL', 1_800, clock)).rejects.toThrow('no');
});
