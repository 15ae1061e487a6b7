import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { DueEntries } from './due-entries.ts';

beforeEach(() => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
});

function setUp(): { readonly due: DueEntries<string>; readonly told: string[][] } {
  const told: string[][] = [];
  return { due: new DueEntries((values) => told.push(values.toSorted())), told };
}

it('tells each when it is due, or up to an eighth of its delay later', () => {
  const { due, told } = setUp();
  due.add('a', 'a', 1_000);
  due.add('b', 'b', 100);
  vi.advanceTimersByTime(99);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(14);
  expect(told).toEqual([['b']]);
  vi.advanceTimersByTime(1_125 - 113);
  expect(told).toEqual([['b'], ['a']]);
  expect(due.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

it('tells many at once with one timer', () => {
  const { due, told } = setUp();
  for (let at = 0; at < 1_000; at++) due.add(`${at}`, `${at}`, 60_000);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(60_256);
  expect(told.map((values) => values.length)).toEqual([1_000]);
});

it('leaves what is there as it is, and forgets what is deleted', () => {
  const { due, told } = setUp();
  due.add('a', 'first', 100);
  due.add('a', 'second', 5_000);
  due.add('b', 'b', 100);
  due.delete('b');
  due.delete('c');
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual([['first']]);
  due.add('a', 'again', 100);
  due.clear();
  vi.advanceTimersByTime(10_000);
  expect(told).toHaveLength(1);
});

it('goes on after whoever is told has failed', () => {
  let failures = 1;
  const told: string[] = [];
  const due = new DueEntries<string>((values) => {
    if (failures-- > 0) throw new Error('a slip');
    told.push(...values);
  });
  due.add('a', 'a', 100);
  due.add('b', 'b', 1_000);
  expect(() => vi.advanceTimersByTime(200)).toThrow('a slip');
  vi.advanceTimersByTime(2_000);
  expect(told).toEqual(['b']);
});

it('waits longer than a timer of the platform can', () => {
  const { due, told } = setUp();
  const days = 24 * 3_600_000;
  due.add('a', 'a', 40 * days);
  vi.advanceTimersByTime(39 * days);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(days + 256);
  expect(told).toEqual([['a']]);
});
