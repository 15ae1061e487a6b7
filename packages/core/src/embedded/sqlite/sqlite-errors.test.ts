import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createSqliteDatabase } from '../database/sqlite-database.ts';
import { sqliteError } from './sqlite-errors.ts';

const says = (errcode: number): Error => Object.assign(new Error('what SQLite says'), { code: 'ERR_SQLITE_ERROR', errcode });

it.each([
  ['the disk is full', 13, 'DISK_FULL'],
  ['the disk fails', 10, 'DISK_ERROR'],
  ['the disk fails at a sync', 1034, 'DISK_ERROR'],
  ['the file was made read-only', 8, 'DATABASE_READ_ONLY'],
  ['the file was moved away', 1032, 'DATABASE_READ_ONLY'],
  ['the file may not be read', 3, 'DATABASE_NO_ACCESS'],
  ['a file beside it cannot be opened', 14, 'DATABASE_CANNOT_OPEN'],
  ['the file is damaged', 11, 'DATABASE_CORRUPT'],
  ['the file is another', 26, 'DATABASE_CORRUPT'],
  ['the schema was changed', 17, 'STATEMENT_FAILED'],
  ['memory', 7, 'OUT_OF_MEMORY'],
])('an outage, at which consumers wait: %s', (_what, errcode, reason) => {
  expect(sqliteError(says(errcode), './x.db', 'run', 'SELECT 1')).toMatchObject({ code: 'UNAVAILABLE', reason });
});

it.each([
  ['a value too large', 18, 'INVALID_ARGUMENT', 'VALUE_TOO_LARGE'],
  ['a value of another type', 20, 'INVALID_ARGUMENT', 'VALUE_REFUSED'],
  ['a row that breaks a rule', 275, 'FAILED_PRECONDITION', 'CONSTRAINT_VIOLATION'],
  ['a key that is taken', 2067, 'ALREADY_EXISTS', 'UNIQUE_VIOLATION'],
  ['what a function says of a value', 1, 'INTERNAL', 'STATEMENT_FAILED'],
])('the fault of a message: %s', (_what, errcode, code, reason) => {
  expect(sqliteError(says(errcode), './x.db', 'run', 'SELECT 1')).toMatchObject({ code, reason });
});

it('what a statement and the schema do not agree on is an outage; what a value is not is its fault', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'paystream-'));
  const database = await createSqliteDatabase({ path: join(folder, 'test.db') });
  const run = (sql: string, parameters: readonly string[] = []): Promise<unknown> =>
    database.transaction((tx) => tx.execute(sql, parameters));
  await run('CREATE TABLE t (id INTEGER PRIMARY KEY, value INTEGER)');
  const outage = (reason: string): object => ({ code: 'UNAVAILABLE', reason, details: { database: join(folder, 'test.db') } });
  await expect(run('INSERT INTO u VALUES (1)')).rejects.toMatchObject(outage('TABLE_NOT_FOUND'));
  await expect(run('INSERT INTO t (id, more) VALUES (1, 1)')).rejects.toMatchObject(outage('STATEMENT_FAILED'));
  await expect(run('UPDATE t SET more = 1')).rejects.toMatchObject(outage('STATEMENT_FAILED'));
  await expect(run('INSERT INTO t VALUES (1)')).rejects.toMatchObject(outage('STATEMENT_FAILED'));
  await expect(run('INSERT INTO t (id) VALUES (1, 2)')).rejects.toMatchObject(outage('STATEMENT_FAILED'));
  await expect(run('SELECT FORM')).rejects.toMatchObject(outage('STATEMENT_FAILED'));
  await expect(run('SELECT not_made_yet(1)')).rejects.toMatchObject(outage('STATEMENT_FAILED'));
  await run('UPDATE t SET value = 1');
  await run('ALTER TABLE t RENAME COLUMN value TO amount');
  await expect(run('UPDATE t SET value = 1')).rejects.toMatchObject(outage('STATEMENT_FAILED'));
  await expect(run("SELECT json_extract(?, '$.a')", ['no JSON'])).rejects.toMatchObject({ code: 'INTERNAL' });
  await run('DELETE FROM t');
  await run('DROP TABLE t');
  await expect(run('DELETE FROM t')).rejects.toMatchObject(outage('TABLE_NOT_FOUND'));
  await database.close();
  await expect(run('DELETE FROM t')).rejects.toMatchObject(outage('CLOSED'));
  rmSync(folder, { recursive: true });
});

it('what one message makes of a statement or a search is its fault, and holds up no other', async () => {
  const database = await createSqliteDatabase({ path: ':memory:' });
  const run = (sql: string, parameters: readonly string[] = []): Promise<unknown> =>
    database.transaction((tx) => tx.execute(sql, parameters));
  await run('CREATE VIRTUAL TABLE texts USING fts5(words)');
  await run("INSERT INTO texts VALUES ('a text')");
  const fault = { code: 'INTERNAL', reason: 'STATEMENT_FAILED' };
  const search = (words: string): Promise<unknown> => run('SELECT * FROM texts WHERE texts MATCH ?', [words]);
  for (const words of ['foo:bar', '"', 'AND']) await expect(search(words)).rejects.toMatchObject(fault);
  const many = (count: number, text: string, between: string): string => new Array<string>(count).fill(text).join(between);
  for (const sql of [
    `SELECT 1 WHERE 1 IN (${many(40_000, '?', ',')})`,
    `SELECT 1 WHERE ${many(2_000, '1 = 1', ' OR ')}`,
    'INSERT INTO texts (words) VALUES',
    "SELECT 'it's'",
  ]) {
    await expect(run(sql)).rejects.toMatchObject(fault);
  }
  await search('text');
  await database.close();
});
