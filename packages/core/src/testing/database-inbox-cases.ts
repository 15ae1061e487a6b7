import assert from 'node:assert/strict';
import { createInbox } from '../inbox/inbox.ts';
import { quietMs, rejectsWith } from './broker-subject.ts';
import { type DatabaseCase, numberOf, restart, secondOf, things } from './database-subject.ts';

/** The inbox: each event once for each consumer. */
export const inboxCases: readonly DatabaseCase[] = [
  {
    name: 'inbox: an event is new once for each consumer',
    run: async ({ database, clock, uniqueName }) => {
      const inbox = await createInbox({ database, clock });
      const [one, two, event] = [uniqueName('one'), uniqueName('two'), uniqueName('event')];
      const once = (consumer: string): Promise<boolean> => database.transaction((tx) => inbox.once(tx, consumer, event));
      assert.deepEqual([await once(one), await once(one), await once(two), await once(two)], [true, false, true, false]);
    },
  },
  {
    name: 'inbox: an event whose transaction is rolled back is still new',
    run: async ({ database, clock, uniqueName }) => {
      const inbox = await createInbox({ database, clock });
      const consumer = uniqueName('consumer');
      const failing = database.transaction(async (tx) => {
        assert.equal(await inbox.once(tx, consumer, 'e'), true);
        throw new Error('fails');
      });
      await assert.rejects(failing);
      assert.equal(await database.transaction((tx) => inbox.once(tx, consumer, 'e')), true);
    },
  },
  {
    name: 'inbox: of several events those that are new are given, each once',
    run: async ({ database, clock, uniqueName }) => {
      const inbox = await createInbox({ database, clock });
      const consumer = uniqueName('consumer');
      const each = (...ids: string[]): Promise<ReadonlySet<string>> => database.transaction((tx) => inbox.onceEach(tx, consumer, ids));
      assert.deepEqual(await each('a', 'b', 'a'), new Set(['a', 'b']));
      assert.deepEqual(await each('b', 'c'), new Set(['c']));
      const foreign = await database.transaction((tx) =>
        inbox.onceEach({ execute: (sql, parameters) => tx.execute(sql, parameters) }, consumer, ['c', 'd', 'd']),
      );
      assert.deepEqual(foreign, new Set(['d']));
      assert.deepEqual(await each(), new Set());
    },
  },
  {
    name: 'inbox: an id that is longer than its column is refused, not cut off',
    run: async ({ database, clock, uniqueName }) => {
      const inbox = await createInbox({ database, clock });
      const consumer = uniqueName('consumer');
      const long = 'x'.repeat(255);
      assert.equal(await database.transaction((tx) => inbox.once(tx, consumer, long)), true);
      await rejectsWith(
        database.transaction((tx) => inbox.once(tx, consumer, `${long}y`)),
        'INVALID_ARGUMENT',
        'EVENT_ID_TOO_LONG',
      );
      await rejectsWith(
        database.transaction((tx) => inbox.onceEach(tx, 'c'.repeat(129), ['e'])),
        'INVALID_ARGUMENT',
        'EVENT_ID_TOO_LONG',
      );
    },
  },
  {
    name: 'inbox: ids that differ in case, in blanks or in an accent are different events',
    run: async ({ database, clock, uniqueName }) => {
      const inbox = await createInbox({ database, clock });
      const ids = ['e', 'E', 'e ', ' e', 'é', 'e\u0301', ''];
      const fresh = await database.transaction((tx) => inbox.onceEach(tx, uniqueName('consumer'), ids));
      assert.deepEqual(fresh, new Set(ids));
    },
  },
  {
    name: 'inbox: who comes second waits for the first, and applies the event if the first gives up',
    needs: ['shared', 'concurrent'],
    run: async (subject) => {
      const { clock, database } = subject;
      const inbox = await createInbox({ database, clock });
      const consumer = subject.uniqueName('consumer');
      for (const givesUp of [true, false]) {
        const event = `e-${givesUp}`;
        const first = Promise.withResolvers<void>();
        const log: string[] = [];
        const one = database.transaction(async (tx) => {
          log.push(`first ${await inbox.once(tx, consumer, event)}`);
          first.resolve();
          await clock.sleep(quietMs);
          log.push('first ends');
          if (givesUp) throw new Error('gives up');
        });
        await first.promise;
        const two = secondOf(subject).transaction((tx) => inbox.once(tx, consumer, event));
        await one.catch(() => undefined);
        log.push(`second ${await two}`);
        assert.deepEqual(log, ['first true', 'first ends', `second ${givesUp}`]);
      }
    },
  },
  {
    name: 'inbox: an effect asked for many times at once happens once',
    run: async ({ database, clock, uniqueName }) => {
      const sql = await things(database);
      const inbox = await createInbox({ database, clock });
      const id = uniqueName('effect');
      await database.transaction((tx) => tx.execute(sql.insert, [id, 0, null, null]));
      await Promise.all(
        Array.from({ length: 50 }, () =>
          database.transaction(async (tx) => {
            if (await inbox.once(tx, id, 'e')) await tx.execute(sql.add, [1, id]);
          }),
        ),
      );
      assert.equal(await numberOf(database, id), 1);
    },
  },
  {
    name: 'inbox: of two instances at once one applies an event',
    needs: ['shared'],
    run: async (subject) => {
      const both = [subject.database, secondOf(subject)];
      const inboxes = await Promise.all(both.map((database) => createInbox({ database, clock: subject.clock })));
      const consumer = subject.uniqueName('consumer');
      for (let event = 0; event < 20; event++) {
        const fresh = await Promise.all(
          both.map((database, index) => database.transaction(async (tx) => inboxes[index]?.once(tx, consumer, `e${event}`))),
        );
        assert.deepEqual(fresh.toSorted(), [false, true]);
      }
    },
  },
  {
    name: 'inbox: events are remembered over a restart',
    needs: ['restart'],
    run: async (subject) => {
      const consumer = subject.uniqueName('consumer');
      const once = async (): Promise<boolean> => {
        const inbox = await createInbox({ database: subject.database, clock: subject.clock });
        return subject.database.transaction((tx) => inbox.once(tx, consumer, 'e'));
      };
      assert.equal(await once(), true);
      await restart(subject);
      assert.equal(await once(), false);
    },
  },
  {
    name: 'inbox: forgets what is older than it is told to, and of that consumer only',
    run: async ({ database, clock, uniqueName }) => {
      const inbox = await createInbox({ database, clock });
      const [one, two] = [uniqueName('one'), uniqueName('two')];
      const ids = Array.from({ length: 2_500 }, (_, index) => `e${index}`);
      await database.transaction(async (tx) => {
        await inbox.onceEach(tx, one, ids);
        await inbox.onceEach(tx, two, ['e0']);
      });
      await clock.sleep(50);
      const beforeMs = clock.now();
      await database.transaction((tx) => inbox.once(tx, one, 'new'));
      assert.equal(await inbox.forget(one, beforeMs), 2_500);
      const again = await database.transaction(async (tx) => [
        await inbox.once(tx, one, 'e0'),
        await inbox.once(tx, one, 'new'),
        await inbox.once(tx, two, 'e0'),
      ]);
      assert.deepEqual(again, [true, false, false]);
    },
  },
];
