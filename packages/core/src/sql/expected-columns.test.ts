import { describe, expect, it } from 'vitest';
import { expectedColumns } from './expected-columns.ts';

function expected(...statements: readonly string[]): Record<string, readonly string[]> {
  const found = expectedColumns([{ name: 'a_0001', statements: { mysql: () => statements } }], 'mysql', (name) => name);
  return Object.fromEntries([...found].map(([table, columns]) => [table, [...columns]]));
}

describe('the columns that are to be expected', () => {
  it.each([
    ['a table', ['CREATE TABLE t (a INT, b DECIMAL(10, 2) NOT NULL)'], { t: ['a', 'b'] }],
    ['one that may be there', ['create table if not exists t (a int)'], { t: ['a'] }],
    ['quoted names', ['CREATE TABLE `t x` (`a b` INT, "key" INT)'], { 't x': ['a b', 'key'] }],
    [
      'keys and conditions',
      [
        `CREATE TABLE t (
          a VARCHAR(9) DEFAULT 'x, y INT (', -- one, two INT
          /* three, */ b INT CHECK (b IN (1, 2)),
          PRIMARY KEY (a, b), UNIQUE INDEX u (b), INDEX i (a(4)), KEY k (b), CONSTRAINT c CHECK (a <> b), FOREIGN KEY (b) REFERENCES s (b)
        ) ENGINE = InnoDB PARTITION BY RANGE (b) (PARTITION later VALUES LESS THAN MAXVALUE)`,
      ],
      { t: ['a', 'b'] },
    ],
    ['a table like another one', ['CREATE TABLE t LIKE s'], { t: [] }],
    ['columns added', ['CREATE TABLE t (a INT)', 'ALTER TABLE t ADD COLUMN b INT, ADD c VARCHAR(3) DEFAULT ""'], { t: ['a', 'b', 'c'] }],
    ['columns dropped', ['CREATE TABLE t (a INT, b INT, c INT)', 'ALTER TABLE t DROP COLUMN b, DROP c'], { t: ['a'] }],
    [
      'keys added and dropped',
      ['CREATE TABLE t (a INT)', 'ALTER TABLE t ADD INDEX i (a), DROP PRIMARY KEY, MODIFY a BIGINT'],
      { t: ['a'] },
    ],
    [
      'tables dropped',
      ['CREATE TABLE t (a INT)', 'CREATE TABLE s (a INT)', 'CREATE TABLE r (a INT)', 'DROP TABLE IF EXISTS t, s'],
      { r: ['a'] },
    ],
    ['rows changed', ['CREATE TABLE t (a INT)', 'INSERT INTO t VALUES (1)', 'CREATE INDEX i ON t (a)', 'UPDATE t SET a = 2'], { t: ['a'] }],
  ])('%s', (_, statements, columns) => expect(expected(...statements)).toEqual(columns));

  it.each([
    ['is renamed', 'RENAME TABLE t TO u'],
    ['is renamed otherwise', 'ALTER TABLE t RENAME TO u'],
    ['has a column renamed', 'ALTER TABLE t RENAME COLUMN a TO b'],
    ['has a column changed', 'ALTER TABLE t CHANGE a b INT'],
    ['gets a column that may be there', 'ALTER TABLE t ADD COLUMN IF NOT EXISTS b INT'],
    ['gets several columns at once', 'ALTER TABLE t ADD COLUMN (b INT, c INT)'],
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
});
