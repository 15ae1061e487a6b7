import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSqliteDatabase } from '../embedded/database/sqlite-database.ts';
import type { Database, SqlValue } from '../sql/port.ts';
import { createMemoryTelemetry, type MemoryTelemetry } from '../testing/memory-telemetry.ts';
import { createVirtualClock, type VirtualClock } from '../testing/virtual-clock.ts';
import type { TimerEntry, Timers } from './port.ts';
import { createTimers, type TimersOptions } from './timers.ts';

let clock: VirtualClock;
let database: Database;
const open: Timers[] = [];
const calls: string[] = [];

async function makeTimers(options: Partial<TimersOptions> = {}): Promise<Timers> {
  const timers = await createTimers({ database, kind: 'test', clock, ...options });
  open.push(timers);
  return timers;
}

const seconds = (): number => clock.monotonic() / 1_000;
const set = (timers: Timers, ...entries: TimerEntry[]): Promise<void> => database.transaction((tx) => timers.set(tx, entries));
const cancel = (timers: Timers, ...ids: string[]): Promise<void> => database.transaction((tx) => timers.cancel(tx, ids));
/** How many wait, and how late the one is that is due longest, in seconds. */
const waiting = (telemetry: MemoryTelemetry): readonly (number | undefined)[] =>
  ['paystream_timers_waiting', 'paystream_timers_oldest_seconds'].map((name) => telemetry.gaugeValue(name, { kind: 'test' }));
const recordAndCancel =
  (timers: Timers) =>
  async (due: readonly Required<TimerEntry>[]): Promise<void> => {
    for (const timer of due) calls.push(`${timer.id}@${seconds()}`);
    await cancel(timers, ...due.map((timer) => timer.id));
  };

beforeEach(async () => {
  calls.length = 0;
  clock = createVirtualClock();
  database = await createSqliteDatabase({ path: ':memory:', clock });
});

afterEach(async () => {
  for (const timers of open.splice(0)) await timers.close();
  await database.close();
});

describe('timers', () => {
  it('call at the time that was asked for, not at the next sweep', async () => {
    const timers = await makeTimers({ sweepMs: 60_000 });
    timers.start(recordAndCancel(timers));
    await clock.advance(500);
    const now = clock.now();
    await set(timers, { id: 'late', dueAtMs: now + 7_250 }, { id: 'soon', dueAtMs: now + 1_250 });
    await clock.advance({ seconds: 20 });
    expect(calls).toEqual(['soon@1.75', 'late@7.75']);
  });

  it('set while the handler is at work are not missed', async () => {
    const timers = await makeTimers({ sweepMs: 60_000 });
    timers.start(async (due) => {
      await recordAndCancel(timers)(due);
      if (due[0]?.id === 'first') await set(timers, { id: 'second', dueAtMs: clock.now() + 3_000 });
    });
    await set(timers, { id: 'first', dueAtMs: clock.now() + 1_000 });
    await clock.advance({ seconds: 10 });
    expect(calls).toEqual(['first@1', 'second@4']);
  });

  it.each([
    ['later', 60_000],
    ['earlier than the lease would end', 5_000],
    ['at the same time', 0],
  ])('set again while the handler is at work come once more: %s', async (_, byMs) => {
    const timers = await makeTimers();
    timers.start(async (due) => {
      calls.push(...due.map((timer) => `${timer.id} ${timer.payload}@${seconds()}`));
      if (calls.length === 1) await set(timers, { id: 'a', dueAtMs: clock.now() + byMs, payload: 'second' });
      await database.transaction((tx) => timers.cancel(tx, due));
    });
    await set(timers, { id: 'a', dueAtMs: clock.now() + 1_000, payload: 'first' });
    await clock.advance({ minutes: 10 });
    expect(calls).toEqual(['a first@1', `a second@${1 + byMs / 1_000}`]);
    expect(await database.query(`SELECT id FROM ${database.tables('timers')}`)).toEqual([]);
  });

  it('that were handed over can be stopped in a transaction of somebody else’s, beside others by their ids', async () => {
    const timers = await makeTimers();
    const base = clock.now();
    timers.start(async (due) => {
      calls.push(...due.map((timer) => timer.id));
      await database.transaction((tx) => timers.cancel({ execute: (sql, parameters) => tx.execute(sql, parameters) }, [...due, 'c', 'd']));
    });
    await set(timers, ...['a', 'b', 'c', 'd'].map((id, index) => ({ id, dueAtMs: base + (index < 2 ? 1_000 - index : 5_000) })));
    await clock.advance({ minutes: 1 });
    expect(calls.toSorted()).toEqual(['a', 'b']);
  });

  it('set while the database is being asked are not missed', async () => {
    const slow: Database = {
      ...database,
      now: async () => {
        await clock.sleep(100);
        return clock.now();
      },
      exclusive: false,
    };
    const timers = await makeTimers({ database: slow, sweepMs: 60_000 });
    timers.start(recordAndCancel(timers));
    await clock.advance(50);
    await set(timers, { id: 'a', dueAtMs: clock.now() });
    await clock.advance(1_000);
    expect(calls).toHaveLength(1);
  });

  it('come in batches, earliest first, when many are due', async () => {
    const timers = await makeTimers({ batchSize: 10 });
    const sizes: number[] = [];
    const base = clock.now() + 1_000;
    await set(timers, ...Array.from({ length: 25 }, (_, index) => ({ id: `t${index}`, dueAtMs: base + ((index * 7) % 25) })));
    await clock.advance({ seconds: 5 });
    const seen: number[] = [];
    timers.start(async (due) => {
      sizes.push(due.length);
      seen.push(...due.map((timer) => timer.dueAtMs - base));
      await cancel(timers, ...due.map((timer) => timer.id));
    });
    await clock.advance({ seconds: 5 });
    expect(sizes).toEqual([10, 10, 5]);
    expect(seen).toEqual(Array.from({ length: 25 }, (_, index) => index));
  });

  it('look for those of other processes at every sweep, and never more often', async () => {
    const timers = await makeTimers();
    let queries = 0;
    const { query } = database;
    const counted: Database = {
      ...database,
      query: (sql, parameters) => {
        queries += 1;
        return query(sql, parameters);
      },
    };
    const watching = await createTimers({ database: counted, kind: 'test', clock });
    open.push(watching);
    watching.start(recordAndCancel(watching));
    await clock.advance({ seconds: 10 });
    expect(queries).toBeLessThanOrEqual(11);
    await set(timers, { id: 'foreign', dueAtMs: clock.now() + 100 });
    await clock.advance({ seconds: 2 });
    expect(calls).toEqual(['foreign@10.1']);
  });

  it('that a handler left come again after the lease, with the time for which they were set', async () => {
    const timers = await makeTimers({ leaseMs: 5_000 });
    const due0 = clock.now() + 1_000;
    let failures = 2;
    timers.start(async (due) => {
      calls.push(`${due[0]?.id}@${seconds()} for ${(due[0]?.dueAtMs ?? 0) - due0}`);
      if (failures-- > 0) throw new Error('not now');
      await cancel(timers, ...due.map((timer) => timer.id));
    });
    await set(timers, { id: 'a', dueAtMs: due0, payload: 'x' });
    await clock.advance({ seconds: 30 });
    expect(calls).toEqual(['a@1 for 0', 'a@6 for 0', 'a@11 for 0']);
  });

  it('claimed by a process that was killed are called at once when nobody else can have the database', async () => {
    const killed = await makeTimers();
    killed.start(() => new Promise(() => undefined));
    await set(killed, { id: 'a', dueAtMs: clock.now() + 1_000 });
    await clock.advance({ seconds: 2 });
    const successor = await createTimers({ database: { ...database }, kind: 'test', clock });
    successor.start(recordAndCancel(successor));
    await clock.advance(10);
    expect(calls).toEqual(['a@2.001']);
    await successor.close();
    open.length = 0;
  });

  it('go on after the database was away', async () => {
    const timers = await makeTimers();
    let away = true;
    const shaky = await createTimers({
      database: { ...database, now: () => (away ? Promise.reject(new Error('away')) : database.now()), exclusive: false },
      kind: 'test',
      clock,
    });
    open.push(shaky);
    shaky.start(recordAndCancel(shaky));
    await set(timers, { id: 'a', dueAtMs: clock.now() + 500 });
    await clock.advance({ seconds: 5 });
    expect(calls).toEqual([]);
    away = false;
    await clock.advance({ seconds: 2 });
    expect(calls).toHaveLength(1);
  });

  it('are refused with a payload that is too large, and cannot be started twice', async () => {
    const timers = await makeTimers();
    await expect(set(timers, { id: 'a', dueAtMs: 0, payload: 'é'.repeat(2_049) })).rejects.toMatchObject({
      reason: 'TIMER_PAYLOAD_TOO_LARGE',
    });
    timers.start(async () => undefined);
    expect(() => timers.start(async () => undefined)).toThrow('started already');
  });

  it('tell how many were due, how late they were, and whether their handler failed', async () => {
    const telemetry = createMemoryTelemetry();
    const timers = await makeTimers({ telemetry, leaseMs: 10_000 });
    await set(timers, { id: 'a', dueAtMs: clock.now() }, { id: 'b', dueAtMs: clock.now() });
    await clock.advance(2_000);
    let fails = true;
    timers.start(async (due) => {
      if (fails) throw new Error('bug');
      await cancel(timers, ...due.map((timer) => timer.id));
    });
    await clock.advance(5_000);
    fails = false;
    await clock.advance(10_000);
    expect(telemetry.counter('paystream_timers_due_total', { kind: 'test' })).toBe(4);
    expect(telemetry.counter('paystream_timers_failures_total', { kind: 'test' })).toBe(1);
    expect(telemetry.observations('paystream_timers_lateness_seconds').map(Math.round)).toEqual([2, 2, 12, 12]);
  });

  it('tell how many wait and how late the one is that is due longest, while their handler fails too, until nobody is there to tell', async () => {
    const telemetry = createMemoryTelemetry();
    const timers = await makeTimers({ telemetry });
    await set(await makeTimers({ kind: 'other' }), { id: 'of-others', dueAtMs: clock.now() - 60_000 });
    const dueAtMs = clock.now() + 60_000;
    await set(timers, { id: 'a', dueAtMs }, { id: 'b', dueAtMs: dueAtMs + 5_000 }, { id: 'c', dueAtMs: dueAtMs + 3_600_000 });
    await clock.advance({ seconds: 30 });
    expect(waiting(telemetry)).toEqual([undefined, undefined]);
    let fails = true;
    timers.start(async (due) => {
      if (fails) throw new Error('away');
      await database.transaction((tx) => timers.cancel(tx, due));
    });
    await clock.advance({ seconds: 20 });
    expect(waiting(telemetry)).toEqual([3, 0]);
    for (const minutes of [1, 2, 3]) {
      await clock.advance({ minutes: 1 });
      const late = minutes * 60 - 10;
      const [count, lateness] = waiting(telemetry);
      expect(count).toBe(3);
      expect(lateness).toBeGreaterThan(late - 11);
      expect(lateness).toBeLessThanOrEqual(late);
    }
    fails = false;
    await clock.advance({ minutes: 1 });
    expect(waiting(telemetry)).toEqual([1, 0]);
    await timers.close();
    expect(waiting(telemetry)).toEqual([0, 0]);
  });

  it('tell of what is late while many are worked off, and while a handler does not come to an end', async () => {
    const telemetry = createMemoryTelemetry();
    const timers = await makeTimers({ telemetry, batchSize: 1 });
    const dueAtMs = clock.now() - 3 * 3_600_000;
    await set(timers, ...Array.from({ length: 100 }, (_, index) => ({ id: `t${index}`, dueAtMs: dueAtMs + index })));
    let left = (): void => undefined;
    let calls = 0;
    timers.start(async (due) => {
      calls += 1;
      if (calls === 41) await new Promise<void>((resolve) => (left = resolve));
      await clock.sleep(1_000);
      await database.transaction((tx) => timers.cancel(tx, due));
    });
    await clock.advance({ seconds: 35 });
    const [count, lateness] = waiting(telemetry);
    expect(count).toBeGreaterThanOrEqual(65);
    expect(count).toBeLessThanOrEqual(75);
    expect(lateness).toBeGreaterThan(3 * 3_600 + 24);
    await clock.advance({ minutes: 5 });
    expect(calls).toBe(41);
    expect(waiting(telemetry)[0]).toBe(60);
    expect(waiting(telemetry)[1]).toBeGreaterThan(3 * 3_600 + 200);
    left();
    await clock.advance({ minutes: 2 });
    expect(waiting(telemetry)).toEqual([0, 0]);
  });

  it('are counted from the index alone and up to 100,000, every ten seconds at most, and not where nobody is told', async () => {
    const { tables } = database;
    const looks: { readonly atMs: number; readonly sql: string; readonly parameters: readonly SqlValue[] | undefined }[] = [];
    const watched: Database = {
      ...database,
      query: (sql, parameters, options) => {
        if (sql.includes(' AS waiting')) looks.push({ atMs: clock.monotonic(), sql, parameters });
        return database.query(sql, parameters, options);
      },
    };
    const telemetry = createMemoryTelemetry();
    const timers = await makeTimers({ database: watched, telemetry });
    const unheard = await makeTimers({ database: watched, kind: 'unheard' });
    const all = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100500)
      INSERT INTO ${tables('timers')} (kind, id, due_at, next_call_at, payload) SELECT 'test', i, ?, ?, '' FROM n`;
    const dueAtMs = clock.now() + 3_600_000;
    await database.transaction((tx) => tx.execute(all, [dueAtMs, dueAtMs]));
    timers.start(recordAndCancel(timers));
    unheard.start(recordAndCancel(unheard));
    await clock.advance({ seconds: 45 });
    expect(waiting(telemetry)).toEqual([100_000, 0]);
    expect(looks.map(({ atMs }) => Math.floor(atMs / 1_000))).toEqual([0, 10, 20, 30, 40]);
    const [look] = looks;
    const plan = await database.query<{ detail: string }>(`EXPLAIN QUERY PLAN ${look?.sql}`, look?.parameters);
    const ofTable = plan.map(({ detail }) => detail).filter((detail) => detail.includes(tables('timers')) || detail.includes('TEMP'));
    expect(ofTable).toEqual([
      `SEARCH ${tables('timers')} USING COVERING INDEX ${tables('timers_by_next_call')} (kind=?)`,
      `SEARCH ${tables('timers')} USING INDEX ${tables('timers_by_next_call')} (kind=? AND next_call_at<?)`,
    ]);
  });
});
