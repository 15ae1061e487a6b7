import { PaystreamError, silentLogger } from '@paystream/core';
import { createMemoryTelemetry, createVirtualClock } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { createWaker, type Waker } from './waker.ts';

interface Trouble {
  /** The database cannot be reached. */
  readonly isAway?: () => boolean;
  /** The database can be read, and not be written to. */
  readonly isReadOnly?: () => boolean;
  /** Somebody holds it: whoever wants to change it waits for ten seconds, and fails. */
  readonly isLocked?: (id: string) => boolean;
}

/** What is stored, by when it is due, and a waker over it; what is in `bad` cannot be handled. */
function wakerOver(stored: Map<string, number>, bad: ReadonlySet<string>, trouble: Trouble = {}) {
  const { isAway = () => false, isReadOnly = () => false, isLocked = () => false } = trouble;
  const clock = createVirtualClock();
  const telemetry = createMemoryTelemetry();
  const startMs = clock.now();
  const tries: string[] = [];
  const errors: string[] = [];
  const look = async (): Promise<readonly string[]> => {
    if (isAway()) throw new PaystreamError('UNAVAILABLE', 'away', { reason: 'TEST' });
    return [...stored].sort(([, a], [, b]) => a - b).map(([id]) => id);
  };
  const handle = async (due: readonly string[]): Promise<readonly string[]> => {
    tries.push(...due.map((id) => `${id}@${(clock.now() - startMs) / 1_000}`));
    if (due.some(isLocked)) await clock.sleep(10_000);
    const failed = isAway() || isReadOnly() ? due : due.filter((id) => bad.has(id) || isLocked(id));
    for (const id of due) if (!failed.includes(id)) stored.delete(id);
    return failed;
  };
  const waker: Waker = createWaker<string>({
    clock,
    telemetry,
    logger: { ...silentLogger, error: (_: object, message?: string) => void errors.push(message ?? '') } as typeof silentLogger,
    kind: 'payment',
    pollMs: undefined,
    due: async (nowMs, limit) => (await look()).filter((id) => (stored.get(id) ?? 0) <= nowMs).slice(0, limit),
    nextMs: async () => (await look()).map((id) => stored.get(id))[0],
    waiting: async () => ({ count: stored.size, sinceMs: undefined }),
    handle,
    handleAlone: async (id) => (await handle([id])).length === 0,
    postpone: async (id, untilMs, nowMs) => {
      await look();
      if (isReadOnly()) throw new PaystreamError('UNAVAILABLE', 'read-only', { reason: 'TEST' });
      if (isLocked(id)) {
        await clock.sleep(10_000);
        throw new PaystreamError('ABORTED', 'another transaction held a row', { reason: 'TEST' });
      }
      if ((stored.get(id) ?? Number.POSITIVE_INFINITY) <= nowMs) stored.set(id, untilMs);
    },
    keyOf: (id) => id,
  });
  return { clock, telemetry, startMs, tries, errors, waker };
}

it('gives what is due its turn, however much is before it that cannot be handled', async () => {
  const bad = new Set(Array.from({ length: 250 }, (_, n) => `bad-${n}`));
  const stored = new Map([...bad].map((id) => [id, 0]));
  stored.set('good', 1);
  const { clock, telemetry, waker } = wakerOver(stored, bad);
  waker.start();
  await clock.advance(10);
  expect(stored.has('good')).toBe(false);
  expect(telemetry.counter('paystream_payment_due_failures_total', { kind: 'payment' })).toBe(250);
  await waker.close();
});

it('tries what cannot be handled again at growing distances of a minute at most, and says that it needs a person', async () => {
  const bad = new Set(['bad']);
  const stored = new Map([['bad', 0]]);
  const { clock, tries, errors, waker } = wakerOver(stored, bad);
  waker.start();
  await clock.advance({ minutes: 4 });
  expect(tries).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183].map((seconds) => `bad@${seconds}`));
  expect(errors).toHaveLength(3);
  bad.clear();
  await clock.advance({ minutes: 1 });
  expect(stored.size).toBe(0);
  await waker.close();
});

it('blames nothing on what was due while the database is away', async () => {
  let away = true;
  const stored = new Map([['a', 0]]);
  const { clock, telemetry, waker } = wakerOver(stored, new Set(), { isAway: () => away });
  waker.start();
  await clock.advance({ minutes: 10 });
  expect(telemetry.counter('paystream_payment_due_failures_total', { kind: 'payment' })).toBe(0);
  away = false;
  await clock.advance(1_000);
  expect(stored.size).toBe(0);
  await waker.close();
});

it('blames nothing on what was due while the database takes no changes, and asks for none without a pause', async () => {
  let readOnly = true;
  const stored = new Map([['a', 0]]);
  const { clock, telemetry, tries, waker } = wakerOver(stored, new Set(), { isReadOnly: () => readOnly });
  waker.start();
  await clock.advance({ seconds: 10 });
  expect(tries.length).toBeLessThan(15);
  expect(telemetry.counter('paystream_payment_due_failures_total', { kind: 'payment' })).toBe(0);
  readOnly = false;
  await clock.advance(1_000);
  expect(stored.size).toBe(0);
  await waker.close();
});

it('goes on with what is due within a second while it waits for what somebody holds, and tries that ever more seldom', async () => {
  let locked = true;
  const stored = new Map([['held', 0]]);
  const { clock, telemetry, startMs, tries, errors, waker } = wakerOver(stored, new Set(), { isLocked: (id) => locked && id === 'held' });
  waker.start();
  await clock.advance({ seconds: 11 });
  for (let n = 0; n < 300; n++) {
    stored.set(`o-${n}`, clock.now() - startMs);
    await clock.advance(1_000);
    expect(stored.has(`o-${n}`)).toBe(false);
  }
  // Ten seconds to fail, ten to learn that it cannot be put off, and then its wait.
  expect(tries.filter((one) => one.startsWith('held'))).toEqual([0, 21, 43, 67, 95, 131, 183, 263].map((seconds) => `held@${seconds}`));
  expect(telemetry.counter('paystream_payment_due_failures_total', { kind: 'payment' })).toBe(8);
  expect(errors).toHaveLength(2);
  locked = false;
  await clock.advance({ seconds: 80 });
  expect(stored.size).toBe(0);
  const closed = waker.close();
  await clock.advance({ seconds: 20 });
  await closed;
});

it('goes on with what is due however many before it somebody holds', async () => {
  const stored = new Map(Array.from({ length: 150 }, (_, n) => [`held-${n}`, 0]));
  const { clock, waker } = wakerOver(stored, new Set(), { isLocked: (id) => id.startsWith('held') });
  waker.start();
  await clock.advance({ seconds: 1 });
  stored.set('good', 1);
  await clock.advance({ seconds: 25 });
  expect(stored.has('good')).toBe(false);
  const closed = waker.close();
  await clock.advance({ seconds: 20 });
  await closed;
});
