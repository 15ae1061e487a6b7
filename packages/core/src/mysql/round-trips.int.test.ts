import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';
import type { Database } from '../sql/port.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createMysqlDatabase } from './mysql-database.ts';
import { freshDatabase, type RealServer, realServer, runBare } from './test-support.ts';

const table = 'numbers';
let real: RealServer;
let url: string;
let proxied: string;
let proxy: Server;
let requests = 0;
/** The next request that holds this text is handed on, and nothing comes back on its connection any more. */
let swallow: string | undefined;
let database: Database;
const clock = createVirtualClock();

beforeAll(async () => {
  real = await realServer();
  url = await freshDatabase(real);
  await runBare(url, `CREATE TABLE ${table} (n INT PRIMARY KEY)`);
});

beforeEach(async () => {
  const { port } = new URL(url);
  proxy = createServer((client) => {
    const server = connect(Number(port), '127.0.0.1');
    let mute = false;
    client.on('data', (bytes) => {
      requests += 1;
      if (swallow !== undefined && bytes.includes(swallow)) {
        mute = true;
        swallow = undefined;
      }
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      if (!mute) client.write(bytes);
    });
    client.on('error', () => server.destroy()).on('close', () => server.destroy());
    server.on('error', () => client.destroy()).on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const through = new URL(url);
  through.port = String((proxy.address() as AddressInfo).port);
  proxied = through.href;
  database = createMysqlDatabase({ url: proxied, clock });
  await runBare(url, `DELETE FROM ${table}`);
});

afterEach(async () => {
  await database.close();
  proxy.close();
});

const insert = `INSERT INTO ${table} (n) VALUES (?)`;
const add = (n: number, then?: () => void, unknown?: () => void): Promise<unknown> =>
  database.transaction(async (tx) => {
    await tx.execute(insert, [n]);
    if (then !== undefined) tx.onCommit(then, unknown);
  });

async function requestsOf(work: () => Promise<unknown>): Promise<number> {
  await database.ping();
  const before = requests;
  await work();
  return requests - before;
}

describe('a transaction costs one round trip for each statement and one for its end', () => {
  it('of one statement', async () => {
    expect(await requestsOf(() => add(1))).toBe(2);
  });

  it('of many rows, new ones and old ones', async () => {
    const rows = Array.from({ length: 50 }, (_, n) => [n]);
    const ignore = database.dialect.insertOrIgnore(table, ['n']);
    const many = (): Promise<unknown> => database.transaction((tx) => tx.executeMany(ignore, rows));
    expect(await requestsOf(many)).toBe(2);
    // And one to look why rows were left out.
    expect(await requestsOf(many)).toBe(3);
  });

  it('of many changes, and tells how many rows each has changed', async () => {
    for (const n of [1, 2, 3]) await add(n);
    const move = `UPDATE ${table} SET n = n + 10 WHERE n = ?`;
    let affected: readonly number[] = [];
    const many = (): Promise<unknown> =>
      database.transaction(async (tx) => {
        ({ affected } = await tx.executeMany(move, [[1], [7], [3], [3]]));
      });
    expect(await requestsOf(many)).toBe(2);
    expect(affected).toEqual([1, 0, 1, 0]);
    expect(await database.query(`SELECT n FROM ${table} ORDER BY n`)).toEqual([{ n: 2 }, { n: 11 }, { n: 13 }]);
  });

  it.each([
    ['first', 0],
    ['a later', 1],
  ])('and goes on in a transaction if many changes as its %s statement fail', async (_, before) => {
    for (const n of [1, 2, 3]) await add(n);
    // The second change meets a key that is taken, after the first was made.
    const failing = database.transaction(async (tx) => {
      if (before === 1) await tx.execute(insert, [20]);
      const changes = tx.executeMany(`UPDATE ${table} SET n = ? WHERE n = ?`, [
        [11, 1],
        [3, 2],
        [13, 3],
      ]);
      await expect(changes).rejects.toMatchObject({ reason: 'UNIQUE_VIOLATION' });
      await tx.execute(insert, [30]);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await database.query(`SELECT n FROM ${table} ORDER BY n`)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  it('and none if it has no statement', async () => {
    expect(await requestsOf(() => database.transaction(async () => undefined))).toBe(0);
  });

  it('and goes on in a transaction if its first statement fails', async () => {
    await add(1);
    const failing = database.transaction(async (tx) => {
      const both = await Promise.allSettled([tx.execute(insert, [1]), tx.execute(insert, [2])]);
      expect(both.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await database.query(`SELECT n FROM ${table}`)).toEqual([{ n: 1 }]);
  });

  it('and leaves nothing open if its only statement fails', async () => {
    await add(1);
    await expect(add(1)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    const open = await runBare(url, `SELECT trx_id FROM information_schema.innodb_trx`);
    expect(open).toEqual([]);
  });
});

describe('several statements in one text', () => {
  it.each([`SELECT 1; DELETE FROM ${table}`, `SELECT 1 /*! ; DELETE FROM ${table} */`])('are refused: %s', async (sql) => {
    await add(1);
    await expect(database.query(sql)).rejects.toMatchObject({ reason: 'SEVERAL_STATEMENTS' });
    await expect(database.transaction((tx) => tx.execute(sql))).rejects.toMatchObject({ reason: 'SEVERAL_STATEMENTS' });
    expect(await database.query(`SELECT n FROM ${table};`)).toEqual([{ n: 1 }]);
  });
});

describe('a COMMIT whose answer is lost on the way', () => {
  it('holds back what is told of later commits for seconds, not until its statement times out', async () => {
    const told: string[] = [];
    await database.ping();
    swallow = 'COMMIT';
    const first = add(
      1,
      () => told.push('1 is committed'),
      () => told.push('1 is unknown'),
    );
    const failed = expect(first).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'COMMIT_UNKNOWN' });
    while (swallow !== undefined) await systemClock.sleep(5);
    let over = false;
    const second = add(2, () => told.push('2 is committed')).then(() => {
      over = true;
    });
    const before = clock.monotonic();
    while (!over) {
      await clock.advance(100);
      await systemClock.sleep(5);
    }
    await Promise.all([second, failed]);
    expect(told).toEqual(['1 is unknown', '2 is committed']);
    expect(clock.monotonic() - before).toBeLessThan(8_000);
    expect(await database.query(`SELECT n FROM ${table} ORDER BY n`)).toEqual([{ n: 1 }, { n: 2 }]);
  });
});
