import { describe, expect, it } from 'vitest';
import type { SqlValue } from '../sql/port.ts';
import { changeText } from './change.ts';
import { mysqlDialect } from './mysql-dialect.ts';
import { mysqlError } from './mysql-errors.ts';
import { createStatementCache, fill } from './statement.ts';

const compile = createStatementCache();
const filled = (sql: string, ...values: SqlValue[]): string => fill(compile(sql).whole, values, sql);

describe('values that are filled into a statement', () => {
  it('stay values, whatever a customer calls himself', () => {
    expect(filled('SELECT ?, ?', "'; DROP TABLE x; --", "\\' OR 1=1 #")).toBe("SELECT '\\'; DROP TABLE x; --', '\\\\\\' OR 1=1 #'");
  });

  it('are exact integers, bytes and nothing', () => {
    const values = [9_007_199_254_740_993n, -1, 1.5, null, new Uint8Array([0, 255]), new Uint8Array(0)];
    expect(filled('?, ?, ?, ?, ?, ?', ...values)).toBe("9007199254740993, -1, 1.5, NULL, x'00ff', ''");
  });

  it('go where a parameter is, and not into texts, names and comments', () => {
    const sql = "SELECT '?', \"?\", `?`, ? -- ?\n, /* ? */ 'it''s ?', '\\'?' # ?\n, ?";
    expect(filled(sql, 1, 2)).toBe("SELECT '?', \"?\", `?`, 1 -- ?\n, /* ? */ 'it''s ?', '\\'?' # ?\n, 2");
  });

  it('are lists behind IN, with every digit of their integers', () => {
    const sql = `DELETE FROM t WHERE a = ? AND id IN ${mysqlDialect.inJson} AND b = ?`;
    expect(filled(sql, 1, '[9007199254740993,-2]', 3)).toBe('DELETE FROM t WHERE a = 1 AND id IN (9007199254740993,-2) AND b = 3');
    expect(filled(sql, 1, '["a\'b","\\"c"]', 3)).toBe("DELETE FROM t WHERE a = 1 AND id IN ('a\\'b','\"c') AND b = 3");
    expect(filled(sql, 1, '[]', 3)).toContain('WHERE FALSE');
    for (const wrong of ['x', '{}', '[1,"a"]', '[1.5]', 7, null]) {
      expect(() => filled(sql, 1, wrong, 3)).toThrow('jsonList');
    }
  });

  it('are refused where they cannot be stored, and where there are too many or too few', () => {
    for (const wrong of [undefined, true, Number.NaN, 2 ** 60, 2n ** 64n, new Date(0)]) {
      expect(() => filled('SELECT ?', wrong as SqlValue)).toThrow('parameter 1');
    }
    expect(() => filled('SELECT ?', 1, 2)).toThrow('1 places');
    expect(() => filled('SELECT ?, ?', 1)).toThrow('2 places');
  });
});

describe('statements', () => {
  it.each([
    ['INSERT INTO t (a) VALUES (?)', 'insert', true],
    ['insert ignore into t (a, b) values (?, UPPER(?))', 'insertIgnore', true],
    ['INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = VALUES(a)', 'upsert', true],
    ['INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = ?', 'upsert', false],
    ['INSERT INTO t (a) VALUES (?), (?)', 'insert', false],
    ['INSERT INTO t (a) SELECT ?', 'insert', false],
    ["INSERT INTO t (a) SELECT 'VALUES (?)'", 'insert', false],
    ['  /* why */ SELECT 1', 'read', false],
    ['WITH a AS (SELECT 1) SELECT * FROM a', 'read', false],
    ['(SELECT 1) UNION (SELECT 2)', 'read', false],
    ['UPDATE t SET a = ?', 'write', false],
    ['ALTER TABLE t ADD COLUMN b INT', 'schema', false],
    ['commit', 'control', false],
  ])('%s is known for what it is', (sql, kind, bulk) => {
    const statement = compile(sql);
    expect([statement.kind, statement.bulk !== undefined]).toEqual([kind, bulk]);
  });
});

describe('changes of many rows', () => {
  it.each(['UPDATE t SET a = ? WHERE b = ?', ' delete from t where b = ?'])('share one text: %s', (sql) =>
    expect(compile(sql).joins).toBe(true),
  );

  it.each([
    'UPDATE t SET a = ? WHERE b = ?;',
    'UPDATE t SET a = ? -- why',
    'UPDATE t SET a = ? # why',
    'UPDATE t SET a = ? /* why */',
    "UPDATE t SET a = ';' WHERE b = ?",
    'REPLACE INTO t (a) VALUES (?)',
    'CALL p(?)',
    'SELECT ?',
  ])('go by themselves where a text could end before its statement, or another answer comes: %s', (sql) => {
    expect(compile(sql).joins).toBe(false);
  });
});

describe('changes of one row by its key', () => {
  const { oneRow } = mysqlDialect;
  const sql = `UPDATE t SET a = ?, b = '?' WHERE k = ? AND v = ? AND c = 1 ${oneRow}`;
  const textOf = (text: string, ...rows: SqlValue[][]): string | undefined => {
    const { change } = compile(text);
    if (change === undefined) throw new Error('not seen');
    return changeText(change, rows, text, true);
  };

  it('become one statement with the list of keys where nothing else differs', () => {
    const rows: SqlValue[][] = [
      ['x', 'k1', 1],
      ['x', "k'2", 1],
    ];
    expect(textOf(sql, ...rows)).toBe("UPDATE t SET a = 'x', b = '?' WHERE k IN ('k1','k\\'2') AND v = 1 AND c = 1 ");
  });

  it('become one statement each where a list would have something long', () => {
    const [fits, long] = ['x'.repeat(16_000), 'x'.repeat(16_001)];
    expect(textOf(sql, [fits, 'k1', 1], ['y', 'k2', 1])).toContain(` UNION ALL SELECT '${fits}','k1'`);
    expect(textOf(sql, [long, 'k1', 1], ['y', 'k2', 1])).toBeUndefined();
    expect(textOf(sql, ['y', 'k1', 1], [Buffer.from(long), 'k2', 1])).toBeUndefined();
    // What all have in common is in no list.
    expect(textOf(sql, [long, 'k1', 1], [long, 'k2', 1])).toContain("IN ('k1','k2')");
  });

  it('become one statement that joins the table with the list of what differs', () => {
    const rows: SqlValue[][] = [
      ['x', 'k1', 1],
      [null, 'k2', 1],
    ];
    expect(textOf(sql, ...rows)).toBe(
      "UPDATE (SELECT NULL AS paystream_0,NULL AS paystream_1 FROM DUAL WHERE FALSE UNION ALL SELECT 'x','k1' UNION ALL SELECT NULL,'k2') " +
        "AS paystream_listed STRAIGHT_JOIN t SET a = paystream_listed.paystream_0, b = '?' " +
        'WHERE k = paystream_listed.paystream_1 AND v = 1 AND c = 1 ',
    );
  });

  it.each([
    `UPDATE t SET a = ? WHERE k = 1 ${oneRow}`,
    `UPDATE t SET a = 1 WHERE k >= ? ${oneRow}`,
    `UPDATE t SET a = 1 WHERE k = ? + 1 ${oneRow}`,
    `UPDATE t SET a = 1 WHERE k = ? OR v = 2 ${oneRow}`,
    `UPDATE t SET a = (SELECT b FROM u WHERE c = ? AND d = 1) WHERE k = 1 ${oneRow}`,
  ])('are joined with their list where it is not the key that differs: %s', (text) => {
    expect(textOf(text, [1], [2])).toContain('UNION ALL SELECT 2');
  });

  it('stay by themselves where all are the same', () => expect(textOf(sql, [1, 2, 3], [1, 2, 3])).toBeUndefined());

  it.each([
    'UPDATE t SET a = ? WHERE k = ?',
    `UPDATE t SET a = 1 ${oneRow}`,
    `UPDATE t SET a = ? WHERE k IN ${mysqlDialect.inJson} ${oneRow}`,
    `UPDATE t, u SET a = ? WHERE k = ? ${oneRow}`,
    `DELETE FROM t WHERE k = ? ${oneRow}`,
  ])('are not seen in: %s', (text) => expect(compile(text).change).toBeUndefined());

  it('share one text with others', () => expect(compile(sql).joins).toBe(true));
});

describe('several statements in one text', () => {
  it.each([
    'SELECT 1; SELECT 2',
    "SELECT '1'; SELECT 2",
    'SELECT 1 /*! ; SELECT 2 */',
    'SELECT 1 /*M!100100 ; SELECT 2 */',
    "SELECT 'open; SELECT 2",
  ])('are refused: %s', (sql) => expect(() => compile(sql)).toThrow('only one statement'));

  it.each(['SELECT 1;', 'SELECT \';\' AS a, "; b", `; c`', 'SELECT 1 -- ; not one\n + 1', 'SELECT 1; # done'])(
    'are not seen in: %s',
    (sql) => {
      expect(compile(sql).kind).toBe('read');
    },
  );
});

describe('errors of the driver', () => {
  it('lose the values that the driver writes into them', () => {
    const cause = Object.assign(new Error('Duplicate entry'), {
      errno: 1062,
      code: 'ER_DUP_ENTRY',
      sql: "INSERT INTO t VALUES ('secret')",
    });
    const error = mysqlError(cause, 'here', 'INSERT INTO t VALUES (?)');
    expect(error).toMatchObject({ code: 'ALREADY_EXISTS', reason: 'UNIQUE_VIOLATION' });
    expect(JSON.stringify([error, error.cause])).not.toContain('secret');
  });
});
