import { migrationTables, refuseDuplicates, statementsOf } from './migration-target.ts';
import type { Migration, SqlDialect } from './port.ts';
import { tableNames } from './table-names.ts';

/** Options of {@link exportMigrations}. */
export interface ExportMigrationsOptions {
  readonly dialect: SqlDialect['name'];
  /** Default: `paystream_`. */
  readonly tablePrefix?: string;
}

/**
 * Writes migrations as SQL, for teams whose services may not change schemas: somebody with the rights runs it, and the
 * services start with `migrations: 'check'`. Run it once: it fails, without changing anything, where one of them was applied.
 *
 * Errors: `UNSUPPORTED` / `MIGRATION_LACKS_DIALECT` for a migration that has no statements for the dialect.
 *
 * @example
 * await writeFile('schema.sql', exportMigrations([...outboxMigrations, ...timerMigrations], { dialect: 'sqlite' }));
 */
export function exportMigrations(migrations: readonly Migration[], options: ExportMigrationsOptions): string {
  refuseDuplicates(migrations);
  const tables = tableNames(options.tablePrefix);
  const applied = tables(migrationTables.applied);
  const lock = tables(migrationTables.lock);
  const lines = [
    'BEGIN;',
    `CREATE TABLE IF NOT EXISTS ${applied} (name varchar(255) NOT NULL PRIMARY KEY, timestamp varchar(255) NOT NULL);`,
    `CREATE TABLE IF NOT EXISTS ${lock} (id varchar(255) NOT NULL PRIMARY KEY, is_locked integer NOT NULL DEFAULT 0);`,
  ];
  for (const migration of migrations) {
    lines.push('', `-- ${migration.name}`, `INSERT INTO ${applied} (name, timestamp) VALUES ('${migration.name}', CURRENT_TIMESTAMP);`);
    for (const statement of statementsOf(migration, options.dialect, tables)) lines.push(`${statement.trim()};`);
  }
  lines.push('', 'COMMIT;', '');
  return lines.join('\n');
}
