import type { SqlDialect } from '../sql/port.ts';

const insert = (table: string, columns: readonly string[], verb = 'INSERT'): string =>
  `${verb} INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;

/** Statements that MySQL 8.0.17 and later and MariaDB 10.6 and later understand alike. */
export const mysqlDialect: SqlDialect = {
  name: 'mysql',
  insertOrIgnore: (table, columns) => insert(table, columns, 'INSERT IGNORE'),
  // MariaDB has no alias for the new row, and MySQL still takes VALUES().
  upsert: (table, columns, _key, assignments) =>
    `${insert(table, columns)} ON DUPLICATE KEY UPDATE ${assignments((column) => `VALUES(${column})`)}`,
  oneRow: '/* one row */',
  inJson: "(SELECT value FROM JSON_TABLE(?, '$[*]' COLUMNS (value VARCHAR(768) PATH '$')) AS listed)",
  forUpdateSkipLocked: 'FOR UPDATE SKIP LOCKED',
  forUpdate: 'FOR UPDATE',
  // Not UNIX_TIMESTAMP(NOW()): it goes by the session's time zone, and an hour comes twice when summer time ends.
  nowMs: "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)",
};
