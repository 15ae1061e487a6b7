import type { SqlDialect } from '../../sql/port.ts';

const insert = (table: string, columns: readonly string[]): string =>
  `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;

/** The name of the function that tells statements the database's clock. */
export const nowFunction = 'paystream_now_ms';

/** SQLite's statements. `nowMs` is known to databases that `createSqliteDatabase` made. */
export const sqliteDialect: SqlDialect = {
  name: 'sqlite',
  insertOrIgnore: (table, columns) => `${insert(table, columns)} ON CONFLICT DO NOTHING`,
  upsert: (table, columns, key, assignments) =>
    `${insert(table, columns)} ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${assignments((column) => `excluded.${column}`)}`,
  oneRow: '',
  inJson: '(SELECT value FROM json_each(?))',
  // There is one writer at a time: who reads in a transaction has the rows to itself.
  forUpdateSkipLocked: '',
  forUpdate: '',
  nowMs: `${nowFunction}()`,
};
