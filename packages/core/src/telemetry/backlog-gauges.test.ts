import { beforeEach, expect, it } from 'vitest';
import { silentLogger } from '../logger/port.ts';
import { createMemoryTelemetry, type MemoryTelemetry } from '../testing/memory-telemetry.ts';
import { createVirtualClock, type VirtualClock } from '../testing/virtual-clock.ts';
import { type Backlog, type BacklogGauges, type BacklogGaugesOptions, createBacklogGauges } from './backlog-gauges.ts';
import { noTelemetry } from './port.ts';

let clock: VirtualClock;
let telemetry: MemoryTelemetry;
let looksAtMs: number[];
let read: () => Promise<Backlog>;

beforeEach(() => {
  clock = createVirtualClock();
  telemetry = createMemoryTelemetry();
  looksAtMs = [];
  read = async () => ({ count: 0, sinceMs: undefined });
});

function make(options: Partial<BacklogGaugesOptions> = {}): BacklogGauges {
  return createBacklogGauges({
    countGauge: 'test_waiting',
    ageGauge: 'test_oldest_seconds',
    labels: { kind: 'refund' },
    read: () => {
      looksAtMs.push(clock.monotonic());
      return read();
    },
    clock,
    logger: silentLogger,
    telemetry,
    ...options,
  });
}
const told = () => ['test_waiting', 'test_oldest_seconds'].map((name) => telemetry.gaugeValue(name, { kind: 'refund' }));

it('a table is looked at every ten seconds at most, however often that is asked for, and not at all where nobody is told', async () => {
  const sinceMs = clock.now();
  read = async () => ({ count: 3, sinceMs });
  const gauges = make();
  let unheardLooks = 0;
  const unheard = make({
    telemetry: noTelemetry,
    read: async () => {
      unheardLooks += 1;
      return { count: 0, sinceMs: undefined };
    },
  });
  for (let second = 0; second < 45; second += 1) {
    gauges.look();
    unheard.look();
    await clock.advance({ seconds: 1 });
  }
  expect(looksAtMs).toEqual([0, 10_000, 20_000, 30_000, 40_000]);
  expect(told()).toEqual([3, 40]);
  expect(unheardLooks).toBe(0);
  await Promise.all([gauges.close(), unheard.close()]);
});

it('the age of what nothing happens to for days grows all the same, for few looks, and what is gone is looked for no more', async () => {
  const sinceMs = clock.now();
  let count = 1;
  read = async () => ({ count, sinceMs: count === 0 ? undefined : sinceMs });
  const unseen = make();
  const age = () => told()[1] ?? 0;
  unseen.look();
  for (const days of [1, 2, 4]) {
    await clock.advance({ hours: 24 * days });
    const trueAge = (clock.now() - sinceMs) / 1_000;
    expect(age()).toBeGreaterThan(trueAge * 0.985);
    expect(age()).toBeLessThanOrEqual(trueAge);
  }
  expect(looksAtMs.length).toBeLessThan(1_000);
  count = 0;
  await clock.advance({ hours: 3 });
  expect([age(), clock.pendingTimers]).toEqual([0, 0]);
  await unseen.close();
});

it('the age goes by the clock that the rows go by, and what is to wait until later has none yet', async () => {
  const nowMs = clock.now() - 3_600_000;
  read = async () => ({ count: 1, sinceMs: nowMs - 5_000, nowMs });
  const gauges = make();
  gauges.look();
  await clock.advance({ seconds: 1 });
  expect(told()).toEqual([1, 5]);
  read = async () => ({ count: 1, sinceMs: nowMs + 5_000, nowMs });
  await clock.advance({ seconds: 10 });
  expect(told()).toEqual([1, 0]);
  await gauges.close();
});

it('what is closed leaves nothing to be seen, also where a look was under way, and looks no more', async () => {
  const answers: ((backlog: Backlog) => void)[] = [];
  read = () => new Promise((resolve) => answers.push(resolve));
  const unread = make();
  unread.look();
  const closed = unread.close();
  answers[0]?.({ count: 7, sinceMs: clock.now() });
  await closed;
  expect(told()).toEqual([undefined, undefined]);

  const gauges = make();
  gauges.look();
  answers[1]?.({ count: 7, sinceMs: clock.now() - 1_000 });
  await clock.advance({ seconds: 1 });
  expect(told()).toEqual([7, 1]);
  await clock.advance({ seconds: 10 });
  const closing = gauges.close();
  answers[2]?.({ count: 9, sinceMs: clock.now() });
  await closing;
  gauges.look();
  await clock.advance({ minutes: 1 });
  expect([told(), looksAtMs.length, clock.pendingTimers]).toEqual([[0, 0], 3, 0]);
});

it('a table that could not be read is looked at again, though nobody asks, and the gauges stay as they were until then', async () => {
  const lines: string[] = [];
  const logger = { ...silentLogger, debug: (_: unknown, message: string) => lines.push(message) };
  const gauges = make({ logger });
  read = async () => ({ count: 2, sinceMs: clock.now() });
  gauges.look();
  await clock.advance({ seconds: 5 });
  read = () => Promise.reject(new Error('away'));
  await clock.advance({ seconds: 10 });
  expect(told()).toEqual([2, 0]);
  read = async () => ({ count: 4, sinceMs: clock.now() });
  await clock.advance({ seconds: 10 });
  expect(told()).toEqual([4, 0]);
  expect([looksAtMs, lines]).toEqual([[0, 10_000, 20_000], ['what waits could not be counted for test_waiting']]);
  await gauges.close();
  expect(clock.pendingTimers).toBe(0);
});
