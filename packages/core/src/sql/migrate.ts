import { CompiledQuery, type Dialect, Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Migration, MigrationMode, SqlDialect, TableNames } from './port.ts';

/** A database whose schema is to be brought up to date. */
export interface MigrationTarget {
  readonly dialect: SqlDialect['name'];
  readonly tables: TableNames;
  /** Kysely's way to it, over a connection that is held meanwhile. */
  readonly kysely: Dialect;
  /** The names of the migrations that were applied; none if there is no table of them yet. */
  applied(): Promise<readonly string[]>;
}

/** The table of applied migrations, and the one that Kysely locks. */
export const migrationTables = { applied: 'migrations', lock: 'migrations_lock' } as const;

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

async function apply(target: MigrationTarget, migrations: readonly Migration[], applied: readonly string[]): Promise<void> {
  // Kysely wants to know every migration that was ever applied, and other packages hand in theirs by other calls.
  const known = new Map<string, () => readonly string[]>(applied.map((name) => [name, () => []]));
  for (const migration of migrations) known.set(migration.name, () => statementsOf(migration, target.dialect, target.tables));
  for (const statements of known.values()) statements();
  const migrator = new Migrator({
    db: new Kysely<unknown>({ dialect: target.kysely }),
    provider: {
      getMigrations: async () =>
        Object.fromEntries(
          [...known].map(([name, statements]) => [
            name,
            {
              up: async (db: Kysely<unknown>) => {
                for (const statement of statements()) await db.executeQuery(CompiledQuery.raw(statement));
              },
            },
          ]),
        ),
    },
    migrationTableName: target.tables(migrationTables.applied),
    migrationLockTableName: target.tables(migrationTables.lock),
    allowUnorderedMigrations: true,
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const failed = results?.find((result) => result.status === 'Error')?.migrationName;
  const cause = PaystreamError.from(error);
  if (cause.code === 'UNAVAILABLE') throw cause;
  throw new PaystreamError(
    'FAILED_PRECONDITION',
    `the schema could not be brought up to date${failed === undefined ? '' : `: migration ${failed} failed`}: ${cause.message}`,
    { reason: 'MIGRATION_FAILED', details: failed === undefined ? {} : { migration: failed }, cause },
  );
}

/** Applies what is missing, or throws `FAILED_PRECONDITION` / `SCHEMA_OUT_OF_DATE` naming it. */
export async function migrateDatabase(target: MigrationTarget, migrations: readonly Migration[], mode: MigrationMode): Promise<void> {
  refuseDuplicates(migrations);
  const applied = await target.applied();
  const there = new Set(applied);
  const missing = migrations.filter((migration) => !there.has(migration.name)).map((migration) => migration.name);
  if (missing.length === 0) return;
  if (mode === 'apply') {
    await apply(target, migrations, applied);
    return;
  }
  throw new PaystreamError(
    'FAILED_PRECONDITION',
    `the schema lacks ${missing.join(', ')}: apply them (migrate with 'apply', or run what exportMigrations writes)`,
    { reason: 'SCHEMA_OUT_OF_DATE', details: { missing: missing.join(',') } },
  );
}
