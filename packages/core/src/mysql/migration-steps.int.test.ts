import { beforeAll, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { migrationTables } from '../sql/migration-target.ts';
import { tableNames } from '../sql/table-names.ts';
import type { Session } from './connection.ts';
import { createMigrationSteps } from './migration-steps.ts';
import { createSessions } from './pool.ts';
import { createStatementCache } from './statement.ts';
import { freshDatabase, type RealServer, realServer, runBare } from './test-support.ts';

let real: RealServer;
beforeAll(async () => {
  real = await realServer();
});

const statements = [
  'CREATE TABLE grown (id INT PRIMARY KEY, amount INT NOT NULL)',
  'INSERT INTO grown VALUES (1, 10)',
  'ALTER TABLE grown ADD COLUMN currency VARCHAR(3)',
  'UPDATE grown SET amount = amount + 1',
  'CREATE INDEX grown_by_amount ON grown (amount)',
];

/** A session of a process that dies before, or right after, its nth statement. */
function dying(session: Session, at: number, after: boolean): Session {
  let count = 0;
  return {
    ...session,
    broken: true,
    run: async (text, sql) => {
      count += 1;
      if (count > at || (count === at && !after)) throw new PaystreamError('UNAVAILABLE', 'died', { reason: 'DIED' });
      const reply = await session.run(text, sql);
      if (count === at) throw new PaystreamError('UNAVAILABLE', 'died', { reason: 'DIED' });
      return reply;
    },
  };
}

it('a migration that is cut off anywhere is finished by the next process, and no row is changed twice', async () => {
  const tables = tableNames('');
  const compile = createStatementCache();
  let finished = 0;
  let cuts = 0;
  for (let at = 1; finished < 2; at++) {
    for (const after of [false, true]) {
      const sessions = createSessions({ url: await freshDatabase(real) });
      const session = await sessions.acquire();
      const [first] = await Promise.allSettled([
        createMigrationSteps(dying(session, at, after), compile, tables).run('grow_0001', statements),
      ]);
      if (first.status === 'fulfilled') finished += 1;
      else cuts += 1;
      // What a process had open is rolled back when it dies.
      await session.run('ROLLBACK', 'ROLLBACK');
      await createMigrationSteps(session, compile, tables).run('grow_0001', statements);
      const rows = await session.run('SELECT * FROM grown', 'SELECT * FROM grown');
      expect(
        rows.rows.map((row) => ({ ...row })),
        `cut off ${after ? 'after' : 'before'} ${at}`,
      ).toEqual([{ id: 1, amount: 11, currency: null }]);
      const [progress] = (await session.run(`SELECT step FROM ${tables(migrationTables.progress)}`, '')).rows;
      // All are done, and none after them was begun.
      expect(progress?.['step']).toBe(-1 - statements.length);
      session.release();
      await sessions.close();
    }
  }
  // Each of the five, the notes about them, and where rows change also the beginning and the end of their transaction.
  expect(cuts).toBeGreaterThan(2 * (2 * statements.length + 2 * 3));
});

it.each([
  ['the first statement', 'CREATE TABLE grown (id INT)', 1050, 'DROP TABLE grown'],
  ['a later one', 'CREATE TABLE elsewhere (id INT)', 1050, 'DROP TABLE elsewhere'],
])(
  'a table of somebody else in the way of %s is never taken for ours, however often a process is started',
  async (_, theirs, errno, gone) => {
    const url = await freshDatabase(real);
    const compile = createStatementCache();
    const all = [...statements, 'CREATE TABLE elsewhere (id INT)', 'UPDATE grown SET amount = amount + 1'];
    await runBare(url, theirs);
    for (let round = 0; round < 3; round++) {
      const sessions = createSessions({ url });
      const session = await sessions.acquire();
      await expect(createMigrationSteps(session, compile, tableNames('')).run('grow_0001', all)).rejects.toMatchObject({
        cause: { errno },
      });
      session.release();
      await sessions.close();
    }
    await runBare(url, gone);
    const sessions = createSessions({ url });
    const session = await sessions.acquire();
    await createMigrationSteps(session, compile, tableNames('')).run('grow_0001', all);
    session.release();
    await sessions.close();
    expect(await runBare(url, 'SELECT * FROM grown')).toEqual([{ id: 1, amount: 12, currency: null }]);
  },
);
