import assert from 'node:assert/strict';
import { createBatcher } from '../batcher/batcher.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Transaction } from '../sql/port.ts';
import { eventually, rejectsWith } from './broker-subject.ts';
import { crash, type DatabaseCase, numberOf, restart, secondOf, things } from './database-subject.ts';

/** Transactions: all or nothing, one after the other, told of in order. */
export const transactionCases: readonly DatabaseCase[] = [
  {
    name: 'ping resolves while the database works',
    run: async ({ database }) => {
      await database.ping();
    },
  },
  {
    name: 'a transaction gives what its work gives, and its rows are there for everybody',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('commit');
      const result = await database.transaction(async (tx) => {
        const { affected, rows } = await tx.execute(sql.insert, [id, 1, null, null]);
        assert.deepEqual([affected, rows.length], [1, 0]);
        const own = await tx.execute<{ number: number }>(sql.find, [id]);
        return own.rows[0]?.number;
      });
      assert.equal(result, 1);
      assert.equal(await numberOf(database, id), 1);
    },
  },
  {
    name: 'a transaction whose work rejects leaves nothing, and rejects with the same error',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('rollback');
      const reason = new Error('changed my mind');
      const failing = database.transaction(async (tx) => {
        await tx.execute(sql.insert, [id, 1, null, null]);
        throw reason;
      });
      await assert.rejects(failing, (error) => error === reason);
      assert.equal(await numberOf(database, id), undefined);
    },
  },
  {
    name: 'a transaction that rejects while calls of it are under way leaves nothing, neither by itself nor in the next one',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('under-way');
      const taken = [`${name}-taken`, 0, null, null];
      await database.transaction((tx) => tx.execute(sql.insert, taken));
      const rows = Array.from({ length: 3_500 }, (_, index) => [`${name}-${index}`, index, null, null]);
      let many: Promise<unknown> = Promise.resolve();
      const failing = database.transaction((tx) => {
        many = tx.executeMany(sql.insert, rows);
        return Promise.all([many, tx.execute(sql.insert, taken)]);
      });
      await rejectsWith(failing, 'ALREADY_EXISTS', 'UNIQUE_VIOLATION');
      await Promise.allSettled([many]);
      await database.transaction((tx) => tx.execute(sql.add, [1, `${name}-taken`]));
      const stored = await database.query<{ number: number }>(
        `SELECT COUNT(*) AS number FROM ${database.tables('conformance_things')} WHERE id LIKE ?`,
        [`${name}-%`],
      );
      assert.equal(stored[0]?.number, 1);
    },
  },
  {
    name: 'a transaction whose work resolves without waiting for its last call rejects with CALL_NOT_AWAITED, and leaves nothing',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('forgotten');
      const rows = Array.from({ length: 3_500 }, (_, index) => [`${name}-${index}`, index, null, null]);
      let told = false;
      const forgetful = (call: (tx: Transaction) => Promise<unknown>): Promise<void> =>
        database.transaction(async (tx) => {
          tx.onCommit(() => {
            told = true;
          });
          await tx.execute(sql.insert, [name, 1, null, null]);
          void call(tx);
        });
      await rejectsWith(
        forgetful((tx) => tx.execute(sql.add, [1, name])),
        'FAILED_PRECONDITION',
        'CALL_NOT_AWAITED',
      );
      await rejectsWith(
        forgetful((tx) => tx.executeMany(sql.insert, rows)),
        'FAILED_PRECONDITION',
        'CALL_NOT_AWAITED',
      );
      assert.equal(told, false);
      assert.equal(await numberOf(database, name), undefined);
      await database.transaction((tx) => tx.executeMany(sql.insert, [[name, 1, null, null], ...rows]));
    },
  },
  {
    name: 'of many transactions at once those that fail take nothing with them',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('group');
      const settled = await Promise.allSettled(
        Array.from({ length: 100 }, (_, index) =>
          database.transaction(async (tx) => {
            await tx.execute(sql.insert, [`${name}-${index}`, index, null, null]);
            if (index % 3 === 0) throw new Error('this one fails');
          }),
        ),
      );
      for (const [index, { status }] of settled.entries()) {
        assert.equal(status, index % 3 === 0 ? 'rejected' : 'fulfilled');
        assert.equal(await numberOf(database, `${name}-${index}`), index % 3 === 0 ? undefined : index);
      }
    },
  },
  {
    name: 'a key that is taken rejects with ALREADY_EXISTS, and the transaction may go on after it',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('unique');
      await database.transaction(async (tx) => {
        await tx.execute(sql.insert, [id, 1, null, null]);
        await rejectsWith(tx.execute(sql.insert, [id, 2, null, null]), 'ALREADY_EXISTS', 'UNIQUE_VIOLATION');
        await tx.execute(sql.add, [10, id]);
      });
      assert.equal(await numberOf(database, id), 11);
    },
  },
  {
    name: 'a statement that is wrong rejects, and the database goes on',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      await assert.rejects(database.transaction((tx) => tx.execute('SELEKT 1')));
      await assert.rejects(database.query('SELECT * FROM no_such_table_of_anybody'));
      const id = uniqueName('after-error');
      await database.transaction((tx) => tx.execute(sql.insert, [id, 1, null, null]));
      assert.equal(await numberOf(database, id), 1);
    },
  },
  {
    name: 'onCommit calls back once the rows are there, before the transaction resolves, and never after a rollback',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('on-commit');
      const log: string[] = [];
      await database
        .transaction(async (tx) => {
          tx.onCommit(() => log.push('first'));
          await tx.execute(sql.insert, [id, 1, null, null]);
          tx.onCommit(() => log.push('second'));
          log.push('work');
        })
        .then(() => log.push('resolved'));
      const failing = database.transaction(async (tx) => {
        tx.onCommit(() => log.push('never'));
        throw new Error('fails');
      });
      await assert.rejects(failing);
      assert.deepEqual(log, ['work', 'first', 'second', 'resolved']);
    },
  },
  {
    name: 'onCommit callbacks come in the order of the commits: of changes to one row, in the order of the changes',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('commit-order');
      await database.transaction((tx) => tx.execute(sql.insert, [id, 0, null, null]));
      const seen: unknown[] = [];
      await Promise.all(
        Array.from({ length: 50 }, () =>
          database.transaction(async (tx) => {
            await tx.execute(sql.add, [1, id]);
            const { rows } = await tx.execute<{ number: number }>(sql.find, [id]);
            tx.onCommit(() => seen.push(rows[0]?.number));
          }),
        ),
      );
      assert.deepEqual(
        seen,
        Array.from({ length: 50 }, (_, index) => index + 1),
      );
    },
  },
  {
    name: 'increments at once are all counted',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const id = uniqueName('increments');
      await database.transaction((tx) => tx.execute(sql.insert, [id, 0, null, null]));
      await Promise.all(Array.from({ length: 200 }, () => database.transaction((tx) => tx.execute(sql.add, [1, id]))));
      assert.equal(await numberOf(database, id), 200);
    },
  },
  {
    name: 'increments of two instances at once are all counted, and each sees what the other committed',
    needs: ['shared'],
    run: async (subject) => {
      const { database } = subject;
      const second = secondOf(subject);
      const sql = await things(database);
      const id = subject.uniqueName('two');
      await database.transaction((tx) => tx.execute(sql.insert, [id, 0, null, null]));
      await Promise.all(
        Array.from({ length: 100 }, (_, index) => (index % 2 ? database : second).transaction((tx) => tx.execute(sql.add, [1, id]))),
      );
      assert.equal(await numberOf(database, id), 100);
      assert.equal(await numberOf(second, id), 100);
    },
  },
  {
    name: 'two transactions that change two rows in opposite order both commit, once each',
    needs: ['concurrent'],
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const [a, b] = [uniqueName('deadlock-a'), uniqueName('deadlock-b')];
      await database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          [a, b].map((id) => [id, 0, null, null]),
        ),
      );
      const both = Promise.withResolvers<void>();
      const told: number[] = [];
      let waiting = 0;
      let runs = 0;
      const change = (first: string, second: string, amount: number): Promise<void> =>
        database.transaction(async (tx) => {
          runs += 1;
          tx.onCommit(() => told.push(amount));
          await tx.execute(sql.add, [amount, first]);
          waiting += 1;
          if (waiting === 2) both.resolve();
          await both.promise;
          await tx.execute(sql.add, [amount, second]);
        });
      await Promise.all([change(a, b, 1), change(b, a, 10)]);
      assert.equal(runs, 3, 'the one that lost is run again');
      assert.deepEqual(told.toSorted(), [1, 10]);
      assert.deepEqual([await numberOf(database, a), await numberOf(database, b)], [11, 11]);
    },
  },
  {
    name: 'a transaction that lost does not go on by itself when its work hides that from it',
    needs: ['concurrent'],
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const [a, b, mark] = [uniqueName('hidden-a'), uniqueName('hidden-b'), uniqueName('hidden-mark')];
      await database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          [a, b, mark].map((id) => [id, 0, null, null]),
        ),
      );
      const both = Promise.withResolvers<void>();
      let waiting = 0;
      const change = (first: string, second: string): Promise<void> =>
        database.transaction(async (tx) => {
          await tx.execute(sql.add, [1, first]);
          waiting += 1;
          if (waiting === 2) both.resolve();
          await both.promise;
          await tx.execute(sql.add, [1, second]).catch(() => undefined);
          await tx.execute(sql.add, [1, mark]).catch(() => undefined);
        });
      await Promise.all([change(a, b), change(b, a)]);
      assert.deepEqual([await numberOf(database, a), await numberOf(database, b), await numberOf(database, mark)], [2, 2, 2]);
    },
  },
  {
    name: 'many transactions over the same rows in any order all commit, from two instances at once',
    needs: ['shared'],
    run: async (subject) => {
      const sql = await things(subject.database);
      const name = subject.uniqueName('storm');
      const ids = [0, 1, 2, 3].map((index) => `${name}-${index}`);
      await subject.database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          ids.map((id) => [id, 0, null, null]),
        ),
      );
      await Promise.all(
        Array.from({ length: 60 }, (_, index) =>
          (index % 2 ? subject.database : secondOf(subject)).transaction(async (tx) => {
            const [first = '', second = ''] = [ids[index % 4], ids[(index * 3 + 1 + (index % 3)) % 4]];
            await tx.execute(sql.add, [1, first]);
            await tx.execute(sql.add, [1, second]);
          }),
        ),
      );
      const numbers = await Promise.all(ids.map((id) => numberOf(subject.database, id)));
      assert.equal(
        numbers.reduce<number>((sum, number) => sum + Number(number), 0),
        120,
      );
    },
  },
  {
    name: 'rows that a transaction holds are passed over by others that skip them, and waited for by nobody',
    needs: ['shared', 'concurrent'],
    run: async (subject) => {
      const { database } = subject;
      const sql = await things(database);
      const name = subject.uniqueName('skip');
      const ids = [0, 1, 2].map((index) => `${name}-${index}`);
      await database.transaction((tx) =>
        tx.executeMany(
          sql.insert,
          ids.map((id) => [id, 0, null, null]),
        ),
      );
      const take = `SELECT id FROM ${database.tables('conformance_things')} WHERE id IN ${database.dialect.inJson} ORDER BY id LIMIT ? ${database.dialect.forUpdateSkipLocked}`;
      const taken = await database.transaction(async (tx) => {
        const own = await tx.execute<{ id: string }>(take, [jsonList(ids), 2]);
        const other = await secondOf(subject).transaction((two) => two.execute<{ id: string }>(take, [jsonList(ids), 2]));
        return [
          own.rows.length,
          ...other.rows.map((row) => row.id).filter((id) => own.rows.some((row) => row.id === id)),
          other.rows.length,
        ];
      });
      assert.deepEqual(taken, [2, 1]);
    },
  },
  {
    name: 'while the server is away all reject with UNAVAILABLE, and go on by themselves when it is back',
    needs: ['outage'],
    run: async (subject) => {
      const { database, clock } = subject;
      const sql = await things(database);
      const name = subject.uniqueName('outage');
      const committed = new Set<number>();
      const unknown = new Set<number>();
      const reasons = new Set<string>();
      let next = 0;
      let over = false;
      const write = async (): Promise<void> => {
        while (!over) {
          const number = next++;
          try {
            await database.transaction((tx) => tx.execute(sql.insert, [`${name}-${number}`, number, null, null]));
            committed.add(number);
          } catch (error) {
            const { code, reason } = PaystreamError.from(error);
            reasons.add(code);
            if (reason === 'COMMIT_UNKNOWN') unknown.add(number);
            await clock.sleep(20);
          }
        }
      };
      const writers = Promise.all(Array.from({ length: 8 }, write));
      await eventually(subject, 'some are stored', () => committed.size > 50);
      const mend = await crash(subject);
      await rejectsWith(database.ping(), 'UNAVAILABLE');
      await rejectsWith(database.query(sql.find, [name]), 'UNAVAILABLE');
      await rejectsWith(database.migrate([]), 'UNAVAILABLE');
      await eventually(subject, 'the writers notice', () => reasons.size > 0);
      await mend();
      const before = committed.size;
      await eventually(subject, 'the writers go on', () => committed.size > before + 50);
      over = true;
      await writers;
      await database.ping();
      assert.deepEqual([...reasons], ['UNAVAILABLE']);
      for (let number = 0; number < next; number++) {
        const stored = (await numberOf(database, `${name}-${number}`)) !== undefined;
        if (!unknown.has(number)) assert.equal(stored, committed.has(number), `${number}`);
      }
    },
  },
  {
    name: 'group commit: of callers whose writes share a transaction, the one at fault fails alone',
    run: async ({ database, uniqueName }) => {
      const sql = await things(database);
      const name = uniqueName('batcher');
      await database.transaction((tx) => tx.execute(sql.insert, [`${name}-7`, 7, null, null]));
      const batcher = createBatcher<number, number>({
        run: async (items) => {
          await database.transaction((tx) =>
            tx.executeMany(
              sql.insert,
              items.map((item) => [`${name}-${item}`, item, null, null]),
            ),
          );
          return items;
        },
      });
      const settled = await Promise.allSettled(Array.from({ length: 20 }, (_, item) => batcher.submit(item)));
      await batcher.close();
      for (const [item, { status }] of settled.entries()) {
        assert.equal(status, item === 7 ? 'rejected' : 'fulfilled', `item ${item}`);
        assert.equal(await numberOf(database, `${name}-${item}`), item);
      }
    },
  },
  {
    name: 'what was committed is there after a restart, and what was not is not',
    needs: ['restart'],
    run: async (subject) => {
      const id = subject.uniqueName('restart');
      const sql = await things(subject.database);
      await subject.database.transaction((tx) => tx.execute(sql.insert, [id, 5, null, null]));
      const failing = subject.database.transaction(async (tx) => {
        await tx.execute(sql.add, [1, id]);
        throw new Error('fails');
      });
      await assert.rejects(failing);
      await restart(subject);
      assert.equal(await numberOf(subject.database, id), 5);
    },
  },
  {
    name: 'close waits for what was asked for before it, may be called twice, and nothing is taken after it',
    needs: ['restart'],
    run: async (subject) => {
      const { database } = subject;
      const sql = await things(database);
      const id = subject.uniqueName('close');
      const asked = database.transaction((tx) => tx.execute(sql.insert, [id, 1, null, null]));
      const closed = database.close();
      await asked;
      await closed;
      await database.close();
      await assert.rejects(database.transaction((tx) => tx.execute(sql.add, [1, id])));
      await assert.rejects(database.ping());
      await restart(subject);
      assert.equal(await numberOf(subject.database, id), 1);
    },
  },
];
