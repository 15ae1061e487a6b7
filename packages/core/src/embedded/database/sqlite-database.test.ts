import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../sql/port.ts';
import { holdSyncs } from '../sqlite/hold-syncs.ts';
import { createSqliteDatabase, type SqliteDatabaseOptions } from './sqlite-database.ts';

let folder: string;
const open: Database[] = [];

async function openDatabase(options: Partial<SqliteDatabaseOptions> = {}): Promise<Database> {
  const database = await createSqliteDatabase({ path: join(folder, 'test.db'), ...options });
  open.push(database);
  return database;
}

async function withNumbers(options: Partial<SqliteDatabaseOptions> = {}): Promise<Database> {
  const database = await openDatabase(options);
  await database.transaction((tx) => tx.execute('CREATE TABLE IF NOT EXISTS numbers (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)'));
  return database;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const insert = 'INSERT INTO numbers (id, value) VALUES (?, ?)';
const ids = async (database: Database): Promise<unknown[]> =>
  (await database.query<{ id: number }>('SELECT id FROM numbers ORDER BY id')).map((row) => row.id);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'paystream-'));
});

afterEach(async () => {
  for (const database of open.splice(0)) await database.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('SQLite database', () => {
  it('shows none of a group to anyone before all of it is on the disk', async () => {
    const database = await withNumbers();
    const seen: string[] = [];
    const other = new DatabaseSync(join(folder, 'test.db'), { readOnly: true });
    const count = (): unknown => other.prepare('SELECT count(*) AS n FROM numbers').get()?.['n'];
    await Promise.all(
      [1, 2, 3].map((id) =>
        database
          .transaction(async (tx) => {
            tx.onCommit(() => seen.push(`commit ${id} sees ${String(count())}`));
            await tx.execute(insert, [id, 0]);
            seen.push(`work ${id} sees ${String(count())}`);
          })
          .then(() => seen.push(`resolved ${id}`)),
      ),
    );
    other.close();
    expect(seen).toEqual([
      'work 1 sees 0',
      'work 2 sees 0',
      'work 3 sees 0',
      'commit 1 sees 3',
      'commit 2 sees 3',
      'commit 3 sees 3',
      'resolved 1',
      'resolved 2',
      'resolved 3',
    ]);
  });

  it('commits each transaction by itself if asked to', async () => {
    const database = await withNumbers({ groupCommits: false });
    const other = new DatabaseSync(join(folder, 'test.db'), { readOnly: true });
    const seen: unknown[] = [];
    await Promise.all(
      [1, 2, 3].map((id) =>
        database.transaction(async (tx) => {
          seen.push(other.prepare('SELECT count(*) AS n FROM numbers').get()?.['n']);
          await tx.execute(insert, [id, 0]);
        }),
      ),
    );
    other.close();
    expect(seen).toEqual([0, 1, 2]);
  });

  it('keeps what others of a group wrote when one fails', async () => {
    const database = await withNumbers();
    const results = await Promise.allSettled(
      [1, 1, 2].map((id) => database.transaction(async (tx) => (await tx.execute(insert, [id, 0])).affected)),
    );
    expect(results[0]).toEqual({ status: 'fulfilled', value: 1 });
    expect(results[1]).toMatchObject({ status: 'rejected', reason: { code: 'ALREADY_EXISTS', reason: 'UNIQUE_VIOLATION' } });
    expect(results[2]).toEqual({ status: 'fulfilled', value: 1 });
    expect(await ids(database)).toEqual([1, 2]);
  });

  it('refuses a transaction that waits for the outside world, and goes on with the others', async () => {
    const database = await withNumbers();
    let late: unknown;
    const slow = database.transaction(async (tx) => {
      await tx.execute(insert, [1, 0]);
      await turn();
      late = await tx.execute(insert, [2, 0]).catch((error: unknown) => error);
    });
    const next = database.transaction((tx) => tx.execute(insert, [3, 0]));
    await expect(slow).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'FOREIGN_AWAIT' });
    await next;
    await turn();
    expect(late).toMatchObject({ reason: 'FOREIGN_AWAIT' });
    expect(await ids(database)).toEqual([3]);
  });

  it('waits for such a transaction if told to, and lets no reader see half of it', async () => {
    const database = await withNumbers({ refuseForeignAwaits: false });
    let begun: Promise<unknown[]> | undefined;
    await database.transaction(async (tx) => {
      await tx.execute(insert, [1, 0]);
      begun = ids(database);
      await turn();
      await turn();
      await tx.execute(insert, [2, 0]);
    });
    expect(await begun).toEqual([1, 2]);
  });

  it('loses nothing when the disk is full, and goes on when there is room', async () => {
    const database = await withNumbers();
    await database.transaction((tx) => tx.execute(insert, [0, 0]));
    await database.transaction((tx) => tx.execute('CREATE TABLE blobs (bytes BLOB NOT NULL)'));
    await database.transaction((tx) => tx.execute('PRAGMA max_page_count = 20'));
    const results = await Promise.allSettled(
      [1, 2, 3].map((id) =>
        database.transaction(async (tx) => {
          await tx.execute(insert, [id, 0]);
          if (id === 2) await tx.execute('INSERT INTO blobs VALUES (?)', [new Uint8Array(1_000_000)]);
        }),
      ),
    );
    expect(results[1]).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE', reason: 'DISK_FULL' } });
    const kept = [1, 3].filter((id) => results[id - 1]?.status === 'fulfilled');
    expect(await ids(database)).toEqual([0, ...kept]);
    await database.transaction((tx) => tx.execute('PRAGMA max_page_count = 1000000'));
    await database.transaction((tx) => tx.execute('INSERT INTO blobs VALUES (?)', [new Uint8Array(1_000_000)]));
    await database.ping();
  });

  it('stores nothing of a group whose commit fails, tells all of it, and goes on', async () => {
    const database = await withNumbers();
    await database.transaction(async (tx) => {
      await tx.execute('CREATE TABLE parents (id INTEGER PRIMARY KEY)');
      await tx.execute(
        'CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)',
      );
    });
    const told: number[] = [];
    const orphan = (id: number): Promise<unknown> =>
      database.transaction(async (tx) => {
        tx.onCommit(() => told.push(id));
        await tx.execute(insert, [id, 0]);
        if (id % 2 === 0) await tx.execute('INSERT INTO children VALUES (?, 1)', [id]);
      });
    const results = await Promise.allSettled([1, 2, 3].map(orphan));
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } });
    await expect(orphan(4)).rejects.toMatchObject({ reason: 'CONSTRAINT_VIOLATION' });
    await orphan(5);
    expect(await ids(database)).toEqual([5]);
    expect(told).toEqual([5]);
  });

  it('refuses a second start on the same file with one clear error, and lets tools read it', async () => {
    const database = await withNumbers();
    await expect(openDatabase()).rejects.toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'DATABASE_IN_USE' });
    await database.close();
    await (await openDatabase()).ping();
  });

  it('says what is wrong with a file that it cannot use', async () => {
    await expect(openDatabase({ path: join(folder, 'missing', 'x.db') })).rejects.toMatchObject({ reason: 'DATABASE_CANNOT_OPEN' });
    writeFileSync(join(folder, 'text.db'), 'this is no database, but long enough to be taken for one'.repeat(100));
    await expect(openDatabase({ path: join(folder, 'text.db') })).rejects.toMatchObject({
      code: 'DATA_LOSS',
      reason: 'DATABASE_CORRUPT',
    });
    await expect(openDatabase({ tablePrefix: 'a b' })).rejects.toMatchObject({ reason: 'INVALID_TABLE_PREFIX' });
  });

  it('takes no statement that would end the transaction of others, and writes in no query', async () => {
    const database = await withNumbers();
    await expect(database.transaction((tx) => tx.execute('COMMIT'))).rejects.toMatchObject({ reason: 'TRANSACTION_CONTROL' });
    await expect(database.query(`${insert} RETURNING id`, [1, 1])).rejects.toMatchObject({ reason: 'NOT_A_QUERY' });
    expect(await ids(database)).toEqual([]);
  });

  it('finishes what was asked for before it was closed, and takes nothing after', async () => {
    const database = await withNumbers();
    const asked = database.transaction((tx) => tx.execute(insert, [1, 0]));
    const closed = database.close();
    await expect(database.transaction((tx) => tx.execute(insert, [2, 0]))).rejects.toMatchObject({ reason: 'CLOSED' });
    await asked;
    await closed;
    await database.close();
    expect(await ids(await openDatabase())).toEqual([1]);
  });

  it('resolves a transaction, and lets it be read, only when the disk has it, unless told otherwise', async () => {
    const database = await withNumbers();
    const hasty = await openDatabase({ path: join(folder, 'normal.db'), synchronous: 'normal' });
    await using disk = holdSyncs();
    const order: string[] = [];
    const written = database
      .transaction(async (tx) => {
        tx.onCommit(() => order.push('committed'));
        await tx.execute(insert, [1, 0]);
      })
      .then(() => order.push('resolved'));
    await disk.asked();
    const read = ids(database).then((found) => order.push(`read ${found}`));
    await hasty.transaction((tx) => tx.execute('CREATE TABLE t (id INTEGER)'));
    order.push('synced');
    disk.release();
    await Promise.all([written, read]);
    expect(order).toEqual(['synced', 'committed', 'resolved', 'read 1']);
  });

  it('acknowledges nothing more once the disk has failed, since what it forgot cannot be known', async () => {
    const database = await withNumbers();
    const add = (id: number): Promise<unknown> => database.transaction((tx) => tx.execute(insert, [id, 0]));
    await add(1);
    const disk = holdSyncs();
    const lost = expect(add(2)).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DISK_ERROR' });
    await disk.asked();
    disk.release(new Error('EIO: i/o error, fdatasync'));
    await lost;
    await disk[Symbol.asyncDispose]();
    await expect(add(3)).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DISK_ERROR' });
    await expect(database.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DISK_ERROR' });
  });

  it('gives rows and their number for a statement that writes and returns', async () => {
    const database = await withNumbers();
    const result = await database.transaction((tx) => tx.execute(`${insert}, (2, 3) RETURNING value`, [1, 2n ** 62n]));
    expect(result.affected).toBe(2);
    expect(result.rows.map((row) => ({ ...row }))).toEqual([{ value: 2n ** 62n }, { value: 3 }]);
    expect(await ids(database)).toEqual([1, 2]);
  });

  it('explains a transaction that is used after its end', async () => {
    const database = await withNumbers();
    const escaped = await database.transaction(async (tx) => ({ tx }));
    await expect(escaped.tx.execute(insert, [1, 0])).rejects.toMatchObject({ reason: 'TRANSACTION_OVER' });
  });
});
