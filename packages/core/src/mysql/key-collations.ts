import { PaystreamError } from '../errors/paystream-error.ts';
import { mysqlTableOptions } from '../sql/mysql-table-options.ts';
import type { Migration, TableNames } from '../sql/port.ts';
import type { Session } from './connection.ts';

const created = /^\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)/i;

/**
 * The tables that migrations make with {@link mysqlTableOptions}, and so with keys that are compared byte by byte. What else they
 * make is its author's affair, and so is a table with a column that has a collation of its own.
 */
function tablesOf(migrations: readonly Migration[], tables: TableNames): readonly string[] {
  const statements = migrations.flatMap((migration) => migration.statements.mysql?.(tables) ?? []);
  const plain = statements.filter((sql) => sql.includes(mysqlTableOptions) && !/\bCOLLATE\b/i.test(sql.replace(mysqlTableOptions, '')));
  const names = plain.map((sql) => created.exec(sql)?.[1]);
  return [...new Set(names)].filter((name) => name !== undefined);
}

/** Gives the columns of a table's primary and unique keys whose texts are compared otherwise. */
function otherwise(table: string): string {
  // MariaDB looks a table up by a name that is equal, and reads the whole schema for one in a list.
  return `SELECT DISTINCT c.TABLE_NAME AS tableName, c.COLUMN_NAME AS columnName, c.COLLATION_NAME AS collationName, VERSION() AS version
FROM information_schema.STATISTICS s JOIN information_schema.COLUMNS c ON c.COLUMN_NAME = s.COLUMN_NAME
WHERE s.TABLE_SCHEMA = DATABASE() AND s.TABLE_NAME = '${table}' AND s.NON_UNIQUE = 0
AND c.TABLE_SCHEMA = DATABASE() AND c.TABLE_NAME = '${table}' AND RIGHT(c.COLLATION_NAME, 4) <> '_bin' AND c.COLLATION_NAME <> 'binary'`;
}

interface KeyColumn {
  readonly tableName: string;
  readonly columnName: string;
  readonly collationName: string;
  readonly version: string;
}

/**
 * Throws `FAILED_PRECONDITION` / `SCHEMA_WRONG_COLLATION` where keys of the tables that migrations have made are not compared byte
 * by byte: `Ab-1` and `ab-1` would be one request, one event, one merchant. Schemas come to that where a client does not pass
 * comments on, in which the collation stands, or where a dump of another server does not know it.
 */
export async function checkKeyCollations(
  session: Pick<Session, 'run'>,
  migrations: readonly Migration[],
  tables: TableNames,
  where: string,
): Promise<void> {
  const names = tablesOf(migrations, tables);
  if (names.length === 0) return;
  const sql = names.map(otherwise).join('\nUNION ALL ');
  const columns = (await session.run(sql, sql)).rows as unknown as readonly KeyColumn[];
  const [first] = columns;
  if (first === undefined) return;
  const collation = first.version.includes('MariaDB') ? 'utf8mb4_nopad_bin' : 'utf8mb4_0900_bin';
  const wrong = columns.map(({ tableName, columnName, collationName }) => `${tableName}.${columnName} (${collationName})`).join(', ');
  const mend = [...new Set(columns.map(({ tableName }) => tableName))]
    .map((table) => `ALTER TABLE ${table} CONVERT TO CHARACTER SET utf8mb4 COLLATE ${collation};`)
    .join(' ');
  throw new PaystreamError(
    'FAILED_PRECONDITION',
    `MySQL at ${where} does not compare these keys byte by byte, so that it would take one for another: ${wrong}. Stop what uses them and run: ${mend}`,
    { reason: 'SCHEMA_WRONG_COLLATION', details: { columns: wrong, mend } },
  );
}
