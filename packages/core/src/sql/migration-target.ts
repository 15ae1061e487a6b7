import type { Dialect } from 'kysely';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Migration, SqlDialect, TableNames } from './port.ts';

/** A database whose schema is to be brought up to date. */
export interface MigrationTarget {
  readonly dialect: SqlDialect['name'];
  readonly tables: TableNames;
  /** Kysely's way to it, over a connection that is held meanwhile. Asked for only if something is to be applied. */
  kysely(): Promise<Dialect>;
  /** The names of the migrations that were applied; none if there is no table of them yet. */
  applied(): Promise<readonly string[]>;
  /** The columns of each table, by the name that was asked for; none of a table that is not there. */
  columns(tables: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Runs the statements of a migration, where a change of the schema is not part of a transaction. Default: each by itself. */
  readonly step?: (name: string, statements: readonly string[]) => Promise<void>;
  /** Called once everything is applied. */
  readonly done?: () => Promise<void>;
}

/** The table of applied migrations, the one that Kysely locks, and how far those came that were cut off. */
export const migrationTables = { applied: 'migrations', lock: 'migrations_lock', progress: 'migrations_progress' } as const;

/** A migration's statements in a dialect. Throws `UNSUPPORTED` if it has none. */
export function statementsOf(migration: Migration, dialect: SqlDialect['name'], tables: TableNames): readonly string[] {
  const write = migration.statements[dialect];
  if (write === undefined) {
    throw new PaystreamError('UNSUPPORTED', `migration ${migration.name} has no statements for ${dialect}`, {
      reason: 'MIGRATION_LACKS_DIALECT',
      details: { migration: migration.name, dialect },
    });
  }
  return write(tables);
}

/** Throws `INVALID_ARGUMENT` if two migrations have one name. */
export function refuseDuplicates(migrations: readonly Migration[]): void {
  const seen = new Set<string>();
  for (const { name } of migrations) {
    if (seen.has(name)) {
      throw new PaystreamError('INVALID_ARGUMENT', `two migrations are called ${name}`, { reason: 'DUPLICATE_MIGRATION' });
    }
    seen.add(name);
  }
}
