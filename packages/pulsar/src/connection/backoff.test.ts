import { expect, it } from 'vitest';
import { createBackoff } from './backoff.ts';

it('waits twice as long each time, up to the limit', () => {
  const backoff = createBackoff({ initialMs: 100, maxMs: 1_000, random: () => 0 });
  expect(Array.from({ length: 6 }, backoff.next)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

it('spreads clients that were cut at the same time, but never waits less than the least', () => {
  const backoff = createBackoff({ initialMs: 100, maxMs: 1_000, random: () => 0.999 });
  expect(backoff.next()).toBe(100);
  expect(backoff.next()).toBeCloseTo(180, 0);
});

it('tries once more exactly before something is given up', () => {
  const backoff = createBackoff({ initialMs: 100, maxMs: 10_000, stopMs: 1_000, random: () => 0 });
  expect(Array.from({ length: 5 }, backoff.next)).toEqual([100, 200, 400, 300, 1_600]);
});

it('notices within seconds that an outage is over, however long it was', () => {
  const backoff = createBackoff();
  const delays = Array.from({ length: 50 }, backoff.next);
  expect(Math.max(...delays)).toBeLessThanOrEqual(5_000);
  // Few enough tries for a broker that a thousand clients wait for.
  expect(Math.min(...delays.slice(6))).toBeGreaterThanOrEqual(4_500);
});
