import { createPool, type Pool } from 'mysql2/promise';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';
import type { Database, SqlRow, SqlValue } from '../sql/port.ts';
import { createMysqlDatabase } from './mysql-database.ts';
import { freshDatabase, realServer, runBare } from './test-support.ts';

const elsewhere = '+05:30';
const aheadMs = 5.5 * 3_600_000;
/** Of one moment, on the clocks on the walls in UTC and elsewhere. */
const [inUtc, thereThen] = ['2026-07-01 22:00:00.123', '2026-07-02 03:30:00.123'];
const momentMs = Date.parse('2026-07-01T22:00:00.123Z');

let url: string;
let pools: readonly Pool[];
/** Two on connections of their own, and two on pools of the caller's: none shares a session with another. */
let own: readonly [Database, Database];
let foreign: readonly [Database, Database];

beforeAll(async () => {
  // A server of its own: whoever else looked at the clock of a shared one would see this too.
  const server = await realServer('mortal-zone');
  await runBare(server.url, `SET GLOBAL time_zone = '${elsewhere}'`);
  url = await freshDatabase(server);
  await runBare(url, 'CREATE TABLE moments (id VARCHAR(40) PRIMARY KEY, wall DATETIME(3), moment TIMESTAMP(3) NULL)');
  const [first, second] = [1, 2].map(() => createPool({ uri: url, timezone: elsewhere })) as [Pool, Pool];
  pools = [first, second];
  own = [createMysqlDatabase({ url }), createMysqlDatabase({ url })];
  foreign = [createMysqlDatabase({ pool: first }), createMysqlDatabase({ pool: second })];
});

afterAll(async () => {
  for (const database of [...own, ...foreign]) await database.close();
  for (const pool of pools) await pool.end();
});

beforeEach(() => runBare(url, 'DELETE FROM moments'));

type Read = (database: Database, sql: string, parameters?: readonly SqlValue[]) => Promise<SqlRow | undefined>;

const query: Read = async (database, sql, parameters) => (await database.query(sql, parameters))[0];
const inTransaction: Read = (database, sql, parameters) => database.transaction(async (tx) => (await tx.execute(sql, parameters)).rows[0]);

/** What stood on the clock, as if that had been in UTC. */
const readingOf = (text: unknown): number => Date.parse(`${String(text).replace(' ', 'T')}Z`);

/** Between two looks at the system's clock, give or take what clocks are rounded by. */
async function expectNow(asked: () => Promise<number>, offsetMs = 0): Promise<void> {
  const before = systemClock.now();
  const nowMs = (await asked()) - offsetMs;
  expect(nowMs).toBeGreaterThanOrEqual(before - 5);
  expect(nowMs).toBeLessThanOrEqual(systemClock.now() + 5);
}

const write = (database: Database, id: string, values: string, parameters: readonly SqlValue[] = []): Promise<unknown> =>
  database.transaction((tx) => tx.execute(`INSERT INTO moments (id, wall, moment) VALUES (?, ${values})`, [id, ...parameters]));
const read = 'SELECT wall, moment FROM moments WHERE id = ?';

describe('on a server whose clock on the wall is elsewhere', () => {
  describe.each<[string, () => readonly [Database, Database], number]>([
    ['connections of its own', () => own, 0],
    ['a pool of the caller’s, which keeps its time zone', () => foreign, aheadMs],
  ])('a database on %s', (_, databases, offsetMs) => {
    it('tells the time as the system does, so that no lease lasts hours or none', async () => {
      const [database] = databases();
      await expectNow(() => database.now());
      for (const ask of [query, inTransaction]) {
        await expectNow(async () => Number((await ask(database, `SELECT ${database.dialect.nowMs} AS now`))?.['now']));
      }
    });

    it('has NOW() of its sessions’ zone in queries and in transactions', async () => {
      const [database] = databases();
      for (const ask of [query, inTransaction]) {
        await expectNow(async () => readingOf((await ask(database, 'SELECT NOW(3) AS now'))?.['now']), offsetMs);
      }
    });

    it('reads in one session what NOW() stored in another', async () => {
      const [writer, reader] = databases();
      for (const ask of [query, inTransaction]) {
        for (const column of ['wall', 'moment']) {
          await expectNow(async () => {
            await write(writer, `${ask.name}-${column}`, 'NOW(3), NOW(3)');
            return readingOf((await ask(reader, read, [`${ask.name}-${column}`]))?.[column]);
          }, offsetMs);
        }
      }
    });
  });

  it('what one kind of session writes the other reads: a TIMESTAMP as the same moment, a DATETIME as it was written', async () => {
    const [[ours], [theirs]] = [own, foreign];
    await write(ours, 'ours', '?, ?', [inUtc, inUtc]);
    await write(theirs, 'theirs', '?, ?', [thereThen, thereThen]);
    for (const ask of [query, inTransaction]) {
      expect(await ask(theirs, read, ['ours'])).toEqual({ wall: inUtc, moment: thereThen });
      expect(await ask(ours, read, ['theirs'])).toEqual({ wall: thereThen, moment: inUtc });
    }
  });

  it('a moment that the caller’s own driver writes is the same to us, and ours to it', async () => {
    const [[ours], [theirs], [pool]] = [own, foreign, pools as [Pool]];
    const moment = new Date(momentMs);
    await pool.query('INSERT INTO moments VALUES (?, ?, ?)', ['driver', moment, moment]);
    for (const ask of [query, inTransaction]) {
      expect(await ask(ours, read, ['driver'])).toEqual({ wall: thereThen, moment: inUtc });
      expect(await ask(theirs, read, ['driver'])).toEqual({ wall: thereThen, moment: thereThen });
    }
    await write(ours, 'ours', '?, ?', [inUtc, inUtc]);
    const [rows] = await pool.query('SELECT moment FROM moments WHERE id = ?', ['ours']);
    expect(rows).toEqual([{ moment }]);
  });
});
