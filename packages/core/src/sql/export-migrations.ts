import { migrationTables, refuseDuplicates, statementsOf } from './migration-target.ts';
import { mysqlTableOptions } from './mysql-table-options.ts';
import type { Migration, SqlDialect, TableNames } from './port.ts';
import { tableNames } from './table-names.ts';

/** Options of {@link exportMigrations}. */
export interface ExportMigrationsOptions {
  /** Which database the statements are for. */
  readonly dialect: SqlDialect['name'];
  /** Default: `paystream_`. */
  readonly tablePrefix?: string;
}

/**
 * Writes migrations as SQL, for teams whose services may not change schemas: somebody with the rights runs it, and the
 * services start with `migrations: 'check'`. Run it once: it fails, without changing anything, where one of them was applied.
 * So for a schema of an older release write only what that lacks: `SCHEMA_OUT_OF_DATE` names it, in its message and, separated by
 * commas, in `details.missing`. MySQL's changes of schemas cannot be taken back: should it fail half-way there, run what is left by hand.
 *
 * Errors: `UNSUPPORTED` / `MIGRATION_LACKS_DIALECT` for a migration that has no statements for the dialect.
 *
 * @example
 * const all = [...outboxMigrations, ...timerMigrations];
 * await writeFile('schema.sql', exportMigrations(all, { dialect: 'sqlite' }));
 *
 * const missing = new Set(error.details.missing?.split(','));
 * const lacking = all.filter(({ name }) => missing.has(name));
 * await writeFile('upgrade.sql', exportMigrations(lacking, { dialect: 'sqlite' }));
 */
export function exportMigrations(migrations: readonly Migration[], options: ExportMigrationsOptions): string {
  refuseDuplicates(migrations);
  const tables = tableNames(options.tablePrefix);
  const statements = new Map(migrations.map((migration) => [migration.name, statementsOf(migration, options.dialect, tables)]));
  const lines = options.dialect === 'sqlite' ? inOneTransaction(statements, tables) : eachByItself(statements, tables);
  return `${lines.join('\n')}\n`;
}

type Statements = ReadonlyMap<string, readonly string[]>;

const bookkeeping = (tables: TableNames, behind = ''): string[] => [
  `CREATE TABLE IF NOT EXISTS ${tables(migrationTables.applied)} (name varchar(255) NOT NULL PRIMARY KEY, timestamp varchar(255) NOT NULL)${behind};`,
  `CREATE TABLE IF NOT EXISTS ${tables(migrationTables.lock)} (id varchar(255) NOT NULL PRIMARY KEY, is_locked integer NOT NULL DEFAULT 0)${behind};`,
];

const record = (name: string, tables: TableNames): string =>
  `INSERT INTO ${tables(migrationTables.applied)} (name, timestamp) VALUES ('${name}', CURRENT_TIMESTAMP);`;

const written = (statements: readonly string[]): string[] => statements.map((statement) => `${statement.trim()};`);

function inOneTransaction(migrations: Statements, tables: TableNames): string[] {
  const lines = ['BEGIN;', ...bookkeeping(tables)];
  for (const [name, statements] of migrations) lines.push('', `-- ${name}`, record(name, tables), ...written(statements));
  return [...lines, '', 'COMMIT;'];
}

/** MySQL commits each change of a schema, so what was applied before is looked for first, and recorded last. */
function eachByItself(migrations: Statements, tables: TableNames): string[] {
  const names = [...migrations.keys()];
  const lines = [
    ...bookkeeping(tables, ` ${mysqlTableOptions}`),
    ...['', '-- Fails, and ends this, where one of them was applied.', 'START TRANSACTION;'],
    ...names.map((name) => record(name, tables)),
    'ROLLBACK;',
  ];
  for (const [name, statements] of migrations) lines.push('', `-- ${name}`, ...written(statements), record(name, tables));
  return lines;
}
