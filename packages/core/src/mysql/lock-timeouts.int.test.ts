import { createPool, type Pool } from 'mysql2/promise';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import type { Database } from '../sql/port.ts';
import { createMysqlDatabase } from './mysql-database.ts';
import { freshDatabase, realServer, runBare } from './test-support.ts';

const change = 'UPDATE held_rows SET amount = amount + 1 WHERE id = 1';

let url: string;
let holder: Database;
/** Done between two attempts, where one otherwise waits for some milliseconds. */
let between: () => Promise<void>;
const clock: Clock = { ...systemClock, sleep: () => between() };
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  url = await freshDatabase(await realServer());
  await runBare(
    url,
    'CREATE TABLE held_rows (id INT PRIMARY KEY, amount INT NOT NULL)',
    'CREATE TABLE attempts (attempt INT PRIMARY KEY)',
    'INSERT INTO held_rows VALUES (1, 0)',
  );
});

beforeEach(async () => {
  await runBare(url, 'UPDATE held_rows SET amount = 0', 'DELETE FROM attempts');
  holder = createMysqlDatabase({ url, poolSize: 1 });
  between = async () => undefined;
});

afterEach(async () => {
  for (const close of [...closing.splice(0), holder.close]) await close();
});

/** Locks the row until it is called, and adds 100 to it. */
async function hold(): Promise<() => Promise<void>> {
  const [held, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = holder.transaction(async (tx) => {
    await tx.execute('UPDATE held_rows SET amount = amount + 100 WHERE id = 1');
    held.resolve();
    await gate.promise;
  });
  await held.promise;
  const release = async (): Promise<void> => {
    gate.resolve();
    await holding;
  };
  closing.unshift(release);
  return release;
}

function onConnections(): Database {
  return createMysqlDatabase({ url, lockTimeoutMs: 1_000, clock });
}

function onPool(): Database {
  const pool: Pool = createPool(url);
  pool.on('connection', (connection) => void connection.query('SET SESSION innodb_lock_wait_timeout = 1'));
  closing.push(() => pool.end());
  return createMysqlDatabase({ pool, clock });
}

describe.each([
  ['connections of its own', onConnections],
  ['a pool of the caller’s', onPool],
])('a transaction on %s that waits in vain for a row that another holds', (_, open) => {
  /** Notes each attempt, then wants the row. */
  function run(attempts: number[]): Promise<unknown> {
    const database = open();
    closing.unshift(database.close);
    return database.transaction(async (tx) => {
      attempts.push(attempts.length + 1);
      await tx.execute('INSERT INTO attempts VALUES (?)', [attempts.length]);
      await tx.execute(change);
    });
  }

  it('succeeds the second time if it is free by then, and nothing of the first attempt is stored', async () => {
    between = await hold();
    const attempts: number[] = [];
    await run(attempts);
    expect(attempts).toEqual([1, 2]);
    expect(await runBare(url, 'SELECT attempt FROM attempts')).toEqual([{ attempt: 2 }]);
    expect(await runBare(url, 'SELECT amount FROM held_rows')).toEqual([{ amount: 101 }]);
  });

  it('gives up the second time, long before maxAttempts, and stores nothing', async () => {
    const release = await hold();
    const attempts: number[] = [];
    await expect(run(attempts)).rejects.toMatchObject({ code: 'ABORTED', reason: 'LOCK_TIMEOUT' });
    await release();
    expect(attempts).toEqual([1, 2]);
    expect(await runBare(url, 'SELECT attempt FROM attempts')).toEqual([]);
    expect(await runBare(url, 'SELECT amount FROM held_rows')).toEqual([{ amount: 100 }]);
  });
});
