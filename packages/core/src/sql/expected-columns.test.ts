import { describe, expect, it } from 'vitest';
import { expectedColumns } from './expected-columns.ts';
import type { SqlDialect } from './port.ts';

function expectedOf(dialect: SqlDialect['name'], statements: readonly string[]): Record<string, readonly string[]> {
  const found = expectedColumns([{ name: 'a_0001', statements: { [dialect]: () => statements } }], dialect, (name) => name);
  return Object.fromEntries([...found].map(([table, columns]) => [table, [...columns]]));
}

const expected = (...statements: readonly string[]): Record<string, readonly string[]> => expectedOf('mysql', statements);

describe('the columns that are to be expected', () => {
  it.each([
    ['a table', ['CREATE TABLE t (a INT, b DECIMAL(10, 2) NOT NULL)'], { t: ['a', 'b'] }],
    ['small letters', ['create table t (a int)', 'alter table t add b int'], { t: ['a', 'b'] }],
    ['quoted names', ['CREATE TABLE `t x` (`a``b` INT, "key" INT)'], { 't x': ['a`b', 'key'] }],
    ['names with other letters', ['CREATE TABLE aufträge (größe INT, b INT)'], { aufträge: ['größe', 'b'] }],
    [
      'keys and conditions',
      [
        `CREATE TABLE t (
          a VARCHAR(9) DEFAULT 'x, y INT (', -- one, two INT
          /* three, */ b INT CHECK (b IN (1, 2)), # four, five INT
          c TEXT DEFAULT "it\\"s, d INT",
          PRIMARY KEY (a, b), UNIQUE INDEX u (b), INDEX i (a(4)), KEY k (b), VECTOR INDEX (c), CONSTRAINT n CHECK (a <> b),
          FOREIGN KEY (b) REFERENCES s (b)
        ) ENGINE = InnoDB /*!80017 COLLATE = utf8mb4_0900_bin */ PARTITION BY RANGE (b) (PARTITION later VALUES LESS THAN MAXVALUE)`,
      ],
      { t: ['a', 'b', 'c'] },
    ],
    ['a table that may have been there', ['CREATE TABLE IF NOT EXISTS t (a INT)'], { t: [] }],
    ['a table like another one', ['CREATE TABLE t LIKE s'], { t: [] }],
    ['a table of a query', ['CREATE TABLE t (SELECT a, b FROM s)'], { t: [] }],
    ['columns added', ['CREATE TABLE t (a INT)', 'ALTER TABLE t ADD COLUMN b INT, ADD c VARCHAR(3) DEFAULT ""'], { t: ['a', 'b', 'c'] }],
    ['a column that may have been there', ['CREATE TABLE t (a INT)', 'ALTER TABLE t ADD COLUMN IF NOT EXISTS b INT'], { t: ['a', 'b'] }],
    ['columns dropped', ['CREATE TABLE t (a INT, Bb INT, `period` INT)', 'ALTER TABLE T DROP COLUMN bb, DROP period'], { t: ['a'] }],
    [
      'keys added and dropped',
      ['CREATE TABLE t (a INT)', 'ALTER TABLE t ADD INDEX i (a), DROP PRIMARY KEY, MODIFY a BIGINT, ALGORITHM=INSTANT, LOCK=NONE'],
      { t: ['a'] },
    ],
    ['the history of a table kept', ['CREATE TABLE t (a INT)', 'ALTER TABLE t ADD SYSTEM VERSIONING'], { t: ['a'] }],
    [
      'tables dropped',
      ['CREATE TABLE t (a INT)', 'CREATE TABLE s (a INT)', 'CREATE TABLE r (a INT)', 'DROP TABLE IF EXISTS T, s'],
      { r: ['a'] },
    ],
    ['rows changed', ['CREATE TABLE t (a INT)', 'INSERT INTO t VALUES (1)', 'CREATE INDEX i ON t (a)', 'UPDATE t SET a = 2'], { t: ['a'] }],
  ])('%s', (_, statements, columns) => expect(expected(...statements)).toEqual(columns));

  it.each([
    ['is renamed', 'RENAME TABLE t TO u'],
    ['is renamed otherwise', 'ALTER TABLE t RENAME TO u'],
    ['has a column renamed', 'ALTER TABLE t RENAME COLUMN a TO b'],
    ['has a column changed', 'ALTER TABLE t CHANGE a b INT'],
    ['gets several columns at once', 'ALTER TABLE t ADD COLUMN (b INT, c INT)'],
    ['is made anew', 'CREATE OR REPLACE TABLE t (b INT)'],
    ['is changed online', 'ALTER ONLINE TABLE t DROP COLUMN a'],
    ['is named with its database', 'ALTER TABLE shop.t DROP COLUMN a'],
    ['is dropped with its database named', 'DROP TABLE `shop`.`t`'],
    ['is dropped by another word', 'DROP TABLES t'],
    ['is changed by some versions only', '/*!80000 ALTER TABLE t RENAME COLUMN a TO b */'],
    ['is changed in a way that nobody has heard of', 'ALTER TABLE t FROBNICATE a'],
  ])('are none of a table that %s', (_, statement) => {
    expect(expected('CREATE TABLE t (a INT)', 'CREATE TABLE s (a INT)', statement, 'ALTER TABLE t ADD COLUMN z INT')).toEqual({ s: ['a'] });
  });

  it.each([
    ['of another database', 'CREATE TABLE other.t (a INT)'],
    ['that is gone with its connection', 'CREATE TEMPORARY TABLE t (a INT)'],
    ['of other migrations', 'ALTER TABLE t ADD COLUMN a INT'],
  ])('are none of a table %s', (_, statement) => expect(expected(statement)).toEqual({}));

  it('are those of a table that was made anew', () => {
    const rebuilt = ['CREATE TABLE t2 (b INT)', 'DROP TABLE t', 'ALTER TABLE t2 RENAME TO t'];
    expect(expected('CREATE TABLE t (a INT)', ...rebuilt)).toEqual({});
    expect(expected('CREATE TABLE t (a INT)', 'DROP TABLE t', 'CREATE TABLE t (b INT)')).toEqual({ t: ['b'] });
  });

  it('are read as SQLite reads them', () => {
    const statements = [
      `CREATE TABLE t (key TEXT PRIMARY KEY, sep TEXT DEFAULT '\\', list TEXT DEFAULT 'x, y', UNIQUE (sep), CHECK (key <> '')) WITHOUT ROWID`,
      'CREATE TABLE main.s (a INT)',
      'CREATE UNIQUE INDEX i ON t (sep)',
    ];
    expect(expectedOf('sqlite', statements)).toEqual({ t: ['key', 'sep', 'list'] });
  });

  it('are read in the order in which migrations are applied', () => {
    const sqlite = (sql: string) => ({ sqlite: () => [sql] });
    const later = { name: 'a_0002', statements: sqlite('ALTER TABLE t DROP COLUMN b') };
    const first = { name: 'a_0001', statements: sqlite('CREATE TABLE t (a INT, b INT)') };
    expect([...expectedColumns([later, first], 'sqlite', (name) => name)]).toEqual([['t', new Set(['a'])]]);
  });
});
