import assert from 'node:assert/strict';
import type { Database } from '../sql/port.ts';
import type { TimerEntry, Timers } from '../timers/port.ts';
import { createTimers, type TimersOptions } from '../timers/timers.ts';
import { eventually, quietMs, rejectsWith } from './broker-subject.ts';
import { crash, type DatabaseCase, type DatabaseUnderTest, restart, secondOf } from './database-subject.ts';
import { createMemoryTelemetry } from './memory-telemetry.ts';

function timersOn(subject: DatabaseUnderTest, kind: string, options: Partial<TimersOptions> = {}): Promise<Timers> {
  return createTimers({ database: subject.database, clock: subject.clock, kind, sweepMs: 100, ...options });
}

const set = (database: Database, timers: Timers, entries: readonly TimerEntry[]): Promise<void> =>
  database.transaction((tx) => timers.set(tx, entries));

const cancel = (database: Database, timers: Timers, stopped: readonly (string | Required<TimerEntry>)[]): Promise<void> =>
  database.transaction((tx) => timers.cancel(tx, stopped));

/** Starts timers that note what they are called with, and are then done. */
function collect(database: Database, timers: Timers, calls: string[]): void {
  timers.start(async (due) => {
    calls.push(...due.map((timer) => timer.id));
    await cancel(database, timers, due);
  });
}

/** Timers: at their time, in order, once, whatever ends meanwhile. */
export const timerCases: readonly DatabaseCase[] = [
  {
    name: 'timers: are called in the order of their times, with what they hold, not before',
    run: async (subject) => {
      const { database, clock } = subject;
      const timers = await timersOn(subject, subject.uniqueName('order'));
      const early: string[] = [];
      const calls: string[] = [];
      const now = clock.now();
      timers.start(async (due) => {
        for (const timer of due) {
          if (clock.now() < timer.dueAtMs) early.push(timer.id);
          calls.push(`${timer.id} ${timer.payload} ${timer.dueAtMs - now}`);
        }
        await cancel(
          database,
          timers,
          due.map((timer) => timer.id),
        );
      });
      await set(database, timers, [
        { id: 'c', dueAtMs: now + 300, payload: 'third' },
        { id: 'a', dueAtMs: now - 100, payload: 'first' },
        { id: 'b', dueAtMs: now + 150 },
      ]);
      await eventually(subject, 'three timers are called', () => calls.length === 3);
      await timers.close();
      assert.deepEqual(calls, ['a first -100', 'b  150', 'c third 300']);
      assert.deepEqual(early, []);
    },
  },
  {
    name: 'timers: ids have up to 255 characters, an emoji counting as one, and longer ones are refused; so are kinds of more than 128',
    run: async (subject) => {
      const { database, clock } = subject;
      const timers = await timersOn(subject, subject.uniqueName('long'));
      const calls: string[] = [];
      collect(database, timers, calls);
      const ids = ['a'.repeat(255), '😀'.repeat(255)];
      const dueAtMs = clock.now();
      await set(
        database,
        timers,
        ids.map((id) => ({ id, dueAtMs })),
      );
      const tooLong = [{ id: 'short', dueAtMs }, ...ids.map((id) => ({ id: `${id}a`, dueAtMs }))];
      await rejectsWith(set(database, timers, tooLong), 'INVALID_ARGUMENT', 'TIMER_ID_TOO_LONG');
      await rejectsWith(timersOn(subject, 'k'.repeat(129)), 'INVALID_ARGUMENT', 'TIMER_KIND_TOO_LONG');
      await eventually(subject, 'both are called', () => calls.length === 2);
      await timers.close();
      assert.deepEqual(calls.toSorted(), ids);
    },
  },
  {
    name: 'timers: that are moved come at their new time only, and those that are stopped do not come',
    run: async (subject) => {
      const { database, clock } = subject;
      const timers = await timersOn(subject, subject.uniqueName('moved'));
      const calls: string[] = [];
      const now = clock.now();
      await set(database, timers, [
        { id: 'moved', dueAtMs: now + 100 },
        { id: 'stopped', dueAtMs: now + 100 },
        { id: 'also', dueAtMs: now + 100 },
        { id: 'stays', dueAtMs: now + 200 },
      ]);
      await set(database, timers, [{ id: 'moved', dueAtMs: now + 400 }]);
      await cancel(database, timers, ['stopped', 'also', 'unknown']);
      collect(database, timers, calls);
      await eventually(subject, 'two timers are called', () => calls.length === 2);
      await clock.sleep(quietMs);
      await timers.close();
      assert.deepEqual(calls, ['stays', 'moved']);
    },
  },
  {
    name: 'timers: that are set again while the handler is at work with them come once more',
    run: async (subject) => {
      const { database, clock } = subject;
      const timers = await timersOn(subject, subject.uniqueName('again'));
      const calls: string[] = [];
      const now = clock.now();
      timers.start(async (due) => {
        if (calls.length === 0) {
          await set(database, timers, [
            { id: 'later', dueAtMs: clock.now() + 200, payload: 'second' },
            { id: 'same', dueAtMs: now, payload: 'second' },
          ]);
        }
        calls.push(...due.map((timer) => `${timer.id} ${timer.payload}`));
        await cancel(database, timers, due);
      });
      await set(
        database,
        timers,
        ['later', 'same', 'once'].map((id) => ({ id, dueAtMs: now, payload: 'first' })),
      );
      await eventually(subject, 'five timers are called', () => calls.length === 5);
      await clock.sleep(quietMs);
      await timers.close();
      assert.deepEqual(calls.toSorted(), ['later first', 'later second', 'once first', 'same first', 'same second']);
    },
  },
  {
    name: 'timers: that were set in a transaction that is rolled back never come',
    run: async (subject) => {
      const { database, clock } = subject;
      const timers = await timersOn(subject, subject.uniqueName('rolled-back'));
      const calls: string[] = [];
      collect(database, timers, calls);
      const failing = database.transaction(async (tx) => {
        await timers.set(tx, [{ id: 'never', dueAtMs: clock.now() }]);
        throw new Error('fails');
      });
      await assert.rejects(failing);
      await clock.sleep(quietMs);
      await timers.close();
      assert.deepEqual(calls, []);
    },
  },
  {
    name: 'timers: of one kind are none of another’s business',
    run: async (subject) => {
      const { database, clock } = subject;
      const one = await timersOn(subject, subject.uniqueName('one'));
      const two = await timersOn(subject, subject.uniqueName('two'));
      const calls: string[] = [];
      collect(database, one, calls);
      await set(database, one, [{ id: 'same', dueAtMs: clock.now() + 50 }]);
      await set(database, two, [{ id: 'same', dueAtMs: clock.now() + 50 }]);
      await cancel(database, two, ['same']);
      await eventually(subject, 'the timer of one kind is called', () => calls.length === 1);
      await Promise.all([one.close(), two.close()]);
    },
  },
  {
    name: 'timers: come again after the lease when the handler failed',
    run: async (subject) => {
      const { database, clock } = subject;
      const timers = await timersOn(subject, subject.uniqueName('failed'), { leaseMs: 500 });
      const calls: number[] = [];
      timers.start(async (due) => {
        calls.push(clock.monotonic());
        if (calls.length < 3) throw new Error('not now');
        await cancel(
          database,
          timers,
          due.map((timer) => timer.id),
        );
      });
      await set(database, timers, [{ id: 'a', dueAtMs: clock.now() }]);
      await eventually(subject, 'the handler is called three times', () => calls.length === 3);
      await timers.close();
      assert.ok((calls[2] ?? 0) - (calls[0] ?? 0) >= 990, calls.join(' '));
    },
  },
  {
    name: 'timers: tell how many wait and how late the one is that is due longest, which its handler has left',
    run: async (subject) => {
      const { database, clock } = subject;
      const kind = subject.uniqueName('told');
      const telemetry = createMemoryTelemetry();
      const failing = await timersOn(subject, kind, { leaseMs: 60_000 });
      const told = await timersOn(subject, kind, { leaseMs: 60_000, telemetry });
      const waiting = () => telemetry.gaugeValue('paystream_timers_waiting', { kind });
      const oldest = () => telemetry.gaugeValue('paystream_timers_oldest_seconds', { kind });
      const now = clock.now();
      await set(database, failing, [
        { id: 'late', dueAtMs: now - 30_000 },
        { id: 'soon', dueAtMs: now + 50_000 },
        { id: 'later', dueAtMs: now + 3_600_000 },
      ]);
      let calls = 0;
      failing.start(async () => {
        calls += 1;
        throw new Error('not now');
      });
      await eventually(subject, 'the late one is called', () => calls === 1);
      told.start(async () => undefined);
      await eventually(subject, 'it is told what waits', () => oldest() !== undefined);
      assert.equal(waiting(), 3);
      assert.ok((oldest() ?? 0) >= 29.9 && (oldest() ?? 0) < 60, `${oldest()} s late`);
      await Promise.all([failing.close(), told.close()]);
      assert.deepEqual([waiting(), oldest()], [0, 0]);
    },
  },
  {
    name: 'timers: are shared out between two instances that claim side by side, each once, and one that was set there comes here',
    needs: ['shared'],
    run: async (subject) => {
      const { database, clock } = subject;
      const second = secondOf(subject);
      const kind = subject.uniqueName('claimed');
      const [one, two] = await Promise.all([
        timersOn(subject, kind, { batchSize: 7 }),
        timersOn(subject, kind, { batchSize: 7, database: second }),
      ]);
      const byOne: string[] = [];
      const byTwo: string[] = [];
      let bothClaimed = (): void => undefined;
      const claimedByBoth = new Promise<void>((resolve) => {
        bothClaimed = resolve;
      });
      // Whoever claims first holds its batch until the other has one too: neither can take all.
      const share = (on: Database, timers: Timers, calls: string[]): void =>
        timers.start(async (due) => {
          calls.push(...due.map((timer) => timer.id));
          if (byOne.length > 0 && byTwo.length > 0) bothClaimed();
          await claimedByBoth;
          await cancel(on, timers, due);
        });
      share(database, one, byOne);
      share(second, two, byTwo);
      const ids = Array.from({ length: 100 }, (_, index) => `t${index}`);
      await set(
        database,
        one,
        ids.map((id) => ({ id, dueAtMs: clock.now() + 200 })),
      );
      await eventually(subject, 'both instances have claimed timers', () => byOne.length > 0 && byTwo.length > 0);
      await eventually(subject, 'all timers are called', () => byOne.length + byTwo.length >= ids.length);
      await clock.sleep(quietMs);
      await one.close();
      assert.deepEqual([...byOne, ...byTwo].toSorted(), ids.toSorted());
      await set(database, one, [{ id: 'there', dueAtMs: clock.now() }]);
      await eventually(subject, 'the other instance calls it', () => byTwo.includes('there'));
      await two.close();
    },
  },
  {
    name: 'timers: come although the server crashed while they were waited for',
    needs: ['outage'],
    run: async (subject) => {
      const { database, clock } = subject;
      const timers = await timersOn(subject, subject.uniqueName('crash'), { leaseMs: 1_000 });
      const calls: string[] = [];
      collect(database, timers, calls);
      await set(database, timers, [
        { id: 'during', dueAtMs: clock.now() + 200 },
        { id: 'after', dueAtMs: clock.now() + 4_000 },
      ]);
      const mend = await crash(subject);
      await clock.sleep(quietMs);
      await mend();
      await eventually(subject, 'both are called', () => calls.includes('during') && calls.includes('after'));
      await timers.close();
    },
  },
  {
    name: 'timers: that were set are there after a restart, and those under way are called again',
    needs: ['restart'],
    run: async (subject) => {
      const kind = subject.uniqueName('restart');
      const before = await timersOn(subject, kind, { leaseMs: 1_000 });
      let taken = 0;
      before.start(async (due) => {
        taken += due.length;
        await new Promise(() => undefined);
      });
      await set(subject.database, before, [{ id: 'under-way', dueAtMs: subject.clock.now() }]);
      await eventually(subject, 'the first is taken', () => taken === 1);
      await set(subject.database, before, [{ id: 'later', dueAtMs: subject.clock.now() + 300 }]);
      await restart(subject);
      const after = await timersOn(subject, kind, { leaseMs: 1_000 });
      const calls: string[] = [];
      collect(subject.database, after, calls);
      await eventually(subject, 'both are called', () => calls.length === 2);
      await after.close();
      assert.deepEqual(calls.toSorted(), ['later', 'under-way']);
    },
  },
];
