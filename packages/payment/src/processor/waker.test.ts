import { PaystreamError, silentLogger } from '@paystream/core';
import { createMemoryTelemetry, createVirtualClock } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { createWaker, type Waker } from './waker.ts';

/** What is stored, by when it is due, and a waker over it; what is in `bad` cannot be handled. */
function wakerOver(stored: Map<string, number>, bad: ReadonlySet<string>, isAway: () => boolean = () => false) {
  const clock = createVirtualClock();
  const telemetry = createMemoryTelemetry();
  const startMs = clock.now();
  const tries: string[] = [];
  const errors: string[] = [];
  const look = async (): Promise<readonly string[]> => {
    if (isAway()) throw new PaystreamError('UNAVAILABLE', 'away', { reason: 'TEST' });
    return [...stored].sort(([, a], [, b]) => a - b).map(([id]) => id);
  };
  const waker: Waker = createWaker<string>({
    clock,
    telemetry,
    logger: { ...silentLogger, error: (_: object, message?: string) => void errors.push(message ?? '') } as typeof silentLogger,
    kind: 'payment',
    pollMs: undefined,
    due: async (nowMs, limit) => (await look()).filter((id) => (stored.get(id) ?? 0) <= nowMs).slice(0, limit),
    nextMs: async () => (await look()).map((id) => stored.get(id))[0],
    handle: async (due) => {
      tries.push(...due.map((id) => `${id}@${(clock.now() - startMs) / 1_000}`));
      const failed = isAway() ? due : due.filter((id) => bad.has(id));
      for (const id of due) if (!failed.includes(id)) stored.delete(id);
      return failed;
    },
    postpone: async (items, nowMs) => {
      await look();
      for (const { item, untilMs } of items) if ((stored.get(item) ?? Number.POSITIVE_INFINITY) <= nowMs) stored.set(item, untilMs);
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
  const { clock, telemetry, waker } = wakerOver(stored, new Set(), () => away);
  waker.start();
  await clock.advance({ minutes: 10 });
  expect(telemetry.counter('paystream_payment_due_failures_total', { kind: 'payment' })).toBe(0);
  away = false;
  await clock.advance(1_000);
  expect(stored.size).toBe(0);
  await waker.close();
});
