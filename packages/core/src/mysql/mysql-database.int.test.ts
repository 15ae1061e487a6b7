import { readFileSync } from 'node:fs';
import { createConnection, createPool } from 'mysql2/promise';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../clock/system-clock.ts';
import { inboxMigrations } from '../inbox/migrations.ts';
import { silentLogger } from '../logger/port.ts';
import { outboxMigrations } from '../outbox/migrations.ts';
import { systemRandom } from '../random/system-random.ts';
import { exportMigrations } from '../sql/export-migrations.ts';
import type { Database } from '../sql/port.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { timerMigrations } from '../timers/migrations.ts';
import { createMysqlDatabase } from './mysql-database.ts';
import type { MysqlDatabaseOptions } from './options.ts';
import { createSessions } from './pool.ts';
import { createStatementCache } from './statement.ts';
import { freshDatabase, type RealServer, realServer, runBare } from './test-support.ts';
import { createTransactions } from './transactions.ts';

const migrations = [...outboxMigrations, ...inboxMigrations, ...timerMigrations];
const open: Database[] = [];
let real: RealServer;
let url: string;

function database(options: Partial<MysqlDatabaseOptions> & Record<string, unknown> = {}): Database {
  const made = createMysqlDatabase({ url, ...options } as MysqlDatabaseOptions);
  open.push(made);
  return made;
}

beforeAll(async () => {
  real = await realServer('mortal-database');
  url = await freshDatabase(real);
  await runBare(url, 'CREATE TABLE rows_of_tests (id INT PRIMARY KEY, words VARCHAR(10) NOT NULL, amount BIGINT)');
});

afterEach(async () => {
  for (const one of open.splice(0)) await one.close();
});

describe('wrong settings end in one clear error that holds no password', () => {
  it.each<[string, Partial<URL>, string, string]>([
    ['a port where nobody listens', { port: '1' }, 'UNAVAILABLE', 'MYSQL_CONNECT_REFUSED'],
    ['a host that does not exist', { hostname: 'nowhere.invalid' }, 'UNAVAILABLE', 'MYSQL_HOST_NOT_FOUND'],
    ['a wrong password', { password: 'guessed' }, 'UNAVAILABLE', 'MYSQL_CREDENTIALS_REFUSED'],
    ['a database that is not there', { pathname: '/nothing_here' }, 'UNAVAILABLE', 'DATABASE_NOT_FOUND'],
  ])('%s', async (_what, part, code, reason) => {
    const wrong = database({ url: Object.assign(new URL(url), part).href });
    const error = await wrong.ping().catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code, reason });
    expect(String(error)).not.toContain(new URL(url).password);
    expect(String(error)).not.toContain('guessed');
  });

  it.each(['nonsense', 'postgres://a@b/c', 'mysql://host', 'mysql://u:p@host/db?tsl=true'])('the URL %s', (wrong) => {
    expect(() => createMysqlDatabase({ url: wrong })).toThrow('the URL of MySQL');
  });

  it('a table that is not there', async () => {
    await expect(database().query('SELECT * FROM nothing_here')).rejects.toMatchObject({ reason: 'TABLE_NOT_FOUND' });
  });
});

describe('what one message can bring about is no outage, or it would hold up all others for ever', () => {
  it('what it makes of a statement, a search or a trigger', async () => {
    await runBare(
      url,
      'CREATE TABLE texts_of_tests (id INT PRIMARY KEY, words TEXT, FULLTEXT (words)) ENGINE = InnoDB',
      "CREATE TRIGGER refuses BEFORE DELETE ON texts_of_tests FOR EACH ROW SIGNAL SQLSTATE '08S01' SET MESSAGE_TEXT = 'no'",
      "INSERT INTO texts_of_tests VALUES (1, 'a text')",
    );
    const one = database({ poolSize: 1 });
    const [before] = await one.query('SELECT CONNECTION_ID() AS id');
    for (const sql of [
      'SELECT 1 FROM texts_of_tests WHERE id IN ()',
      "SELECT 1 FROM texts_of_tests WHERE MATCH (words) AGAINST ('+-a' IN BOOLEAN MODE)",
      'DELETE FROM texts_of_tests',
    ]) {
      const failing = one.transaction((tx) => tx.execute(sql));
      await expect(failing).rejects.toMatchObject({ code: 'INTERNAL', reason: 'STATEMENT_FAILED' });
    }
    const [after] = await one.query('SELECT CONNECTION_ID() AS id');
    expect(after).toEqual(before);
  });
});

describe('what is no fault of a value is an outage, at which consumers wait', () => {
  it('a table or a column of another release, and the connection serves on', async () => {
    const one = database({ poolSize: 1 });
    const [before] = await one.query('SELECT CONNECTION_ID() AS id');
    const failing = (sql: string): Promise<unknown> => one.transaction((tx) => tx.execute(sql));
    await expect(failing('INSERT INTO nothing_here VALUES (1)')).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'TABLE_NOT_FOUND' });
    for (const sql of [
      'UPDATE rows_of_tests SET to_come = 1',
      'INSERT INTO rows_of_tests (id) VALUES (1)',
      'INSERT INTO rows_of_tests VALUES (1)',
      'SELECT FORM',
      'SELECT not_made_yet(1)',
    ]) {
      await expect(failing(sql)).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'STATEMENT_FAILED' });
    }
    const [after] = await one.query('SELECT CONNECTION_ID() AS id');
    expect(after).toEqual(before);
  });

  it('a right to the database that is missing, until it is granted: no connection outlives it that does not know of it', async () => {
    const { pathname } = new URL(url);
    const right = (what: string): string => `${what} ON ${pathname.slice(1)}.*`;
    await runBare(real.url, "CREATE USER 'reader'@'%' IDENTIFIED BY 'reads'", `${right('GRANT SELECT')} TO 'reader'@'%'`);
    const one = database({ url: Object.assign(new URL(url), { username: 'reader', password: 'reads' }).href });
    const remove = (): Promise<unknown> => one.transaction((tx) => tx.execute('DELETE FROM rows_of_tests WHERE id = -1'));
    await one.query('SELECT 1');
    await expect(remove()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DATABASE_NO_ACCESS' });
    await runBare(real.url, `${right('GRANT DELETE')} TO 'reader'@'%'`);
    await remove();
    await runBare(real.url, "DROP USER 'reader'@'%'");
  });

  it('a database that may be read only, as while it is moved', async ({ skip }) => {
    const moved = await freshDatabase(real);
    const [row] = await runBare(moved, 'CREATE TABLE rows_of_tests (id INT PRIMARY KEY)', 'SELECT VERSION() AS version');
    if (String(row?.['version']).includes('MariaDB')) skip('MariaDB has no such setting');
    const schema = new URL(moved).pathname.slice(1);
    await runBare(real.url, `ALTER SCHEMA ${schema} READ ONLY = 1`);
    const failing = database({ url: moved }).transaction((tx) => tx.execute('INSERT INTO rows_of_tests VALUES (1)'));
    await expect(failing).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'DATABASE_READ_ONLY' });
    await runBare(real.url, `ALTER SCHEMA ${schema} READ ONLY = 0`);
  });

  it('a pool of the caller’s that lets nobody wait, or not so many', async () => {
    for (const options of [{ waitForConnections: false }, { queueLimit: 1 }]) {
      const pool = createPool({ uri: url, connectionLimit: 1, ...options });
      const busy = await pool.getConnection();
      const waiting = 'queueLimit' in options ? pool.getConnection() : undefined;
      const one = database({ url: undefined, pool });
      await expect(one.query('SELECT 1')).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'POOL_EXHAUSTED' });
      busy.release();
      (await waiting)?.release();
      await pool.end();
    }
  });

  it('a database that its owner has closed', async () => {
    const one = database();
    await one.close();
    await expect(one.query('SELECT 1')).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'CLOSED' });
  });
});

describe('a connection that dies', () => {
  const others = 'SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()';
  const ER_NO_SUCH_THREAD = 1094;

  const kill = async (id: unknown): Promise<void> => {
    const over = (error: { errno?: number }): void => {
      if (error.errno !== ER_NO_SUCH_THREAD) throw error;
    };
    await runBare(url, `KILL ${id}`).catch(over);
  };

  /** The list may still name who has been killed or has left, and ends meanwhile. */
  const killAll = async (): Promise<void> => {
    for (const { id } of await runBare(url, others)) await kill(id);
  };

  const untilNobodyElse = async (): Promise<void> => {
    while ((await runBare(url, others)).length > 0) await systemClock.sleep(100);
  };

  it('because its client vanished holds its locks for no longer than a minute', async () => {
    const one = database();
    const [row] = await one.query('SELECT @@SESSION.wait_timeout AS idle, VERSION() AS version');
    expect(row?.['idle']).toBe(60);
    if (!String(row?.['version']).includes('MariaDB')) return;
    const [inTransaction] = await one.query('SELECT @@SESSION.idle_transaction_timeout AS idle');
    expect(inTransaction).toEqual({ idle: 30 });
  });

  it('while it lies idle is not noticed by who comes next', async () => {
    const one = database({ poolSize: 2 });
    for (let round = 0; round < 20; round++) {
      await Promise.all([one.ping(), one.ping()]);
      await killAll();
      await one.transaction((tx) => tx.execute('SELECT 1'));
    }
  });

  it('unseen, since it lay idle for so long that a firewall may have forgotten it, is not waited for but replaced', async () => {
    const clock = createVirtualClock();
    const one = database({ poolSize: 1, clock });
    const id = async (): Promise<unknown> => (await one.query('SELECT CONNECTION_ID() AS id'))[0]?.['id'];
    const first = await id();
    await clock.advance(44_000);
    expect(await id()).toBe(first);
    await clock.advance(46_000);
    expect(await id()).not.toBe(first);
  });

  it('since the server ended it when it had lain idle is not noticed by who comes next', async () => {
    const sessions = createSessions({ url, poolSize: 2 });
    const [compile, clock, random, logger] = [createStatementCache(), systemClock, systemRandom, silentLogger];
    const run = createTransactions({ sessions, compile, clock, random, logger, maxAttempts: 1 });
    const both = await Promise.all([sessions.acquire(), sessions.acquire()]);
    for (const session of both) await session.run('SET SESSION wait_timeout = 1', '');
    for (const session of both) session.release();
    await untilNobodyElse();
    await Promise.all([run((tx) => tx.execute('SELECT 1')), run((tx) => tx.execute('SELECT 1'))]);
    await sessions.close();
  });

  it('while nothing answers any more fails what waits for it, and the database recovers by itself', async () => {
    const one = database({ statementTimeoutMs: 300, connectTimeoutMs: 300 });
    await one.ping();
    await real.freeze(true);
    const slow = await Promise.allSettled([one.query('SELECT 1'), one.transaction((tx) => tx.execute('SELECT 1'))]);
    await real.freeze(false);
    const reasons = slow.map((outcome) => outcome.status === 'rejected' && outcome.reason.reason);
    expect(reasons).toEqual(['MYSQL_STATEMENT_TIMEOUT', 'MYSQL_CONNECT_TIMEOUT']);
    await one.ping();
  });
});

describe('nothing is cut off, rounded or ignored unseen', () => {
  it('by INSERT IGNORE, which makes warnings of errors', async () => {
    const one = database();
    const sql = one.dialect.insertOrIgnore('rows_of_tests', ['id', 'words', 'amount']);
    await expect(one.transaction((tx) => tx.execute(sql, [1, 'far too long', 0]))).rejects.toMatchObject({ reason: 'VALUE_REFUSED' });
    await expect(one.transaction((tx) => tx.execute(sql, [1, null, 0]))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    const many = [1, 2, 3].map((id) => [id, id === 2 ? 'far too long' : 'fits', 0]);
    await expect(one.transaction((tx) => tx.executeMany(sql, many))).rejects.toMatchObject({ reason: 'VALUE_REFUSED' });
    expect(await one.query('SELECT id FROM rows_of_tests')).toEqual([]);
  });

  it('in sums, whose type is DECIMAL', async () => {
    const one = database();
    const [row] = await one.query('SELECT SUM(n) AS sum, COUNT(*) AS count FROM (SELECT 9007199254740993 AS n UNION ALL SELECT 2) AS t');
    expect(row).toEqual({ sum: 9_007_199_254_740_995n, count: 2 });
  });

  it('by a statement that is larger than the server takes', async () => {
    const one = database();
    const [limit] = await one.query('SELECT @@max_allowed_packet AS bytes');
    // Each byte is two digits of the statement.
    const large = new Uint8Array(Number(limit?.['bytes']) / 2 + 1);
    await expect(one.transaction((tx) => tx.execute('SELECT LENGTH(?)', [large]))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'VALUE_TOO_LARGE',
    });
  });

  it('by a change of the schema, which would commit what came before it', async () => {
    const one = database();
    const failing = one.transaction(async (tx) => {
      await tx.execute("INSERT INTO rows_of_tests VALUES (9, 'x', 1)");
      await tx.execute('CREATE TABLE other_rows (id INT)');
    });
    await expect(failing).rejects.toMatchObject({ reason: 'IMPLICIT_COMMIT' });
    expect(await one.query('SELECT id FROM rows_of_tests')).toEqual([]);
  });
});

describe('a pool whose settings would spoil values', () => {
  it.each([
    ["SET SESSION sql_mode = ''", 'MYSQL_NOT_STRICT'],
    ["SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'", 'MYSQL_UNSAFE_MODE'],
    ['SET SESSION autocommit = 0', 'MYSQL_NO_AUTOCOMMIT'],
    ['SET NAMES latin1', 'MYSQL_WRONG_CHARSET'],
    ["SET SESSION character_set_connection = 'latin1'", 'MYSQL_WRONG_CHARSET'],
  ])('by %s is refused', async (setting, reason) => {
    const pool = createPool({ uri: url, connectionLimit: 1 });
    await pool.query(setting);
    await expect(database({ pool }).ping()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason });
    await pool.end();
  });
});

describe('a pool whose connections are all in use', () => {
  /** Holds all connections of `one` until it is called. */
  const occupy = async (one: Database, count: number): Promise<() => Promise<void>> => {
    const gate = Promise.withResolvers<void>();
    const begun = Array.from({ length: count }, () => Promise.withResolvers<void>());
    const busy = begun.map(({ resolve }) =>
      one.transaction(async (tx) => {
        await tx.execute('SELECT 1');
        resolve();
        await gate.promise;
      }),
    );
    await Promise.all(begun.map(({ promise }) => promise));
    return async () => {
      gate.resolve();
      await Promise.all(busy);
    };
  };

  it('lets nobody wait for ever, and says what to set', async () => {
    const one = database({ poolSize: 2, acquireTimeoutMs: 50 });
    const free = await occupy(one, 2);
    const refused = Array.from({ length: 20 }, () => one.query('SELECT 1'));
    for (const outcome of await Promise.allSettled(refused)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE', reason: 'POOL_EXHAUSTED' } });
      expect(String((outcome as PromiseRejectedResult).reason)).toMatch(/2 connections.*50 ms.*poolSize.*acquireTimeoutMs/);
    }
    await free();
    await (await occupy(one, 2))();
  });

  it('of the caller’s gets each connection back that comes too late', async () => {
    const pool = createPool({ uri: url, connectionLimit: 2 });
    const one = database({ pool, acquireTimeoutMs: 50 });
    const held = [await pool.getConnection(), await pool.getConnection()];
    const refused = Array.from({ length: 20 }, () => one.query('SELECT 1'));
    for (const outcome of await Promise.allSettled(refused)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE', reason: 'POOL_EXHAUSTED' } });
      expect(String((outcome as PromiseRejectedResult).reason)).toMatch(/2 connections.*50 ms.*connectionLimit.*acquireTimeoutMs/);
    }
    for (const connection of held) connection.release();
    const again = [await pool.getConnection(), await pool.getConnection()];
    for (const connection of again) connection.release();
    await (await occupy(one, 2))();
    await pool.end();
  });
});

describe('a server that talks in another character set than it is asked to', () => {
  // In GBK the last byte of the first character and the backslash behind it are one character, and the quote ends the text.
  const text = "你' AS text, 'injected' AS more -- ";
  let common: string;
  beforeAll(async () => {
    const gbk = await realServer('gbk');
    await runBare(gbk.url, "CREATE USER common@'%' IDENTIFIED BY 'user'", "GRANT ALL ON paystream.* TO common@'%'");
    common = Object.assign(new URL(gbk.url), { username: 'common', password: 'user' }).href;
    const [session] = await runBare(common, 'SELECT @@SESSION.character_set_client AS charset');
    expect(session).toEqual({ charset: 'gbk' });
  });

  it('takes texts as they are, and no SQL out of them', async () => {
    const one = database({ url: common });
    expect(await one.query('SELECT ? AS text', [text])).toEqual([{ text }]);
    const [session] = await one.query('SELECT @@SESSION.character_set_client AS client, @@SESSION.character_set_connection AS connection');
    expect(session).toEqual({ client: 'utf8mb4', connection: 'utf8mb4' });
  });

  it('is refused on a pool of the caller’s, which is left as it is', async () => {
    const pool = createPool({ uri: common, connectionLimit: 1 });
    await expect(database({ pool }).ping()).rejects.toMatchObject({ reason: 'MYSQL_WRONG_CHARSET' });
    await pool.end();
  });
});

describe('connections over TLS', () => {
  it('are made when the server proves who it is, and only then', async () => {
    const secure = await realServer('secure');
    const parsed = new URL(secure.url);
    const ca = readFileSync(secure.certificates?.ca ?? '', 'utf8');
    await expect(database({ url: parsed.href }).ping()).rejects.toMatchObject({ reason: 'MYSQL_CREDENTIALS_REFUSED' });
    parsed.hostname = 'localhost';
    await database({ url: parsed.href, tls: { ca } }).ping();
    const [row] = await database({ url: parsed.href, tls: { acceptAnyCertificate: true } }).query("SHOW STATUS LIKE 'Ssl_version'");
    expect(String(row?.['Value'])).toMatch(/^TLSv1\.[23]$/);
    await expect(database({ url: parsed.href, tls: true }).ping()).rejects.toMatchObject({ reason: 'MYSQL_TLS_REFUSED' });
  });
});

describe('the schema', () => {
  it('is brought up to date once by ten replicas that start at the same time', async () => {
    const fresh = await freshDatabase(real);
    await Promise.all(Array.from({ length: 10 }, () => database({ url: fresh, poolSize: 1 }).migrate(migrations)));
    await database({ url: fresh }).migrate(migrations, 'check');
  });

  it('is brought up to date without opening the other tables that are there, of which a server may have thousands', async () => {
    const fresh = await freshDatabase(real);
    const others = Array.from({ length: 100 }, (_, n) => `CREATE TABLE other_${n} (id INT PRIMARY KEY)`);
    await runBare(fresh, ...others, 'FLUSH TABLES');
    const opened = async (): Promise<number> => {
      const [row] = await runBare(fresh, "SHOW GLOBAL STATUS LIKE 'Opened_table_definitions'");
      return Number(row?.['Value']);
    };
    const before = await opened();
    await database({ url: fresh }).migrate(migrations);
    expect((await opened()) - before).toBeLessThan(100);
  });

  it('that was exported and run by somebody else is accepted, and running it again changes nothing', async () => {
    const fresh = await freshDatabase(real);
    const sql = exportMigrations(migrations, { dialect: 'mysql', tablePrefix: 'shop_' });
    const connection = await createConnection({ uri: fresh, multipleStatements: true });
    await connection.query(sql);
    await expect(connection.query(sql)).rejects.toMatchObject({ code: 'ER_DUP_ENTRY' });
    await connection.end();
    await database({ url: fresh, tablePrefix: 'shop_' }).migrate(migrations, 'check');
  });
});
