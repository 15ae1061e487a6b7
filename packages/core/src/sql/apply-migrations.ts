import { CompiledQuery, Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type MigrationTarget, migrationTables, statementsOf } from './migration-target.ts';
import type { Migration } from './port.ts';

/** Applies migrations with Kysely. Throws `FAILED_PRECONDITION` / `MIGRATION_FAILED`, naming the one that failed. */
export async function applyMigrations(
  target: MigrationTarget,
  migrations: readonly Migration[],
  applied: readonly string[],
): Promise<void> {
  // Kysely wants to know every migration that was ever applied, and other packages hand in theirs by other calls.
  const known = new Map<string, () => readonly string[]>(applied.map((name) => [name, () => []]));
  for (const migration of migrations) known.set(migration.name, () => statementsOf(migration, target.dialect, target.tables));
  for (const statements of known.values()) statements();
  const migrator = new Migrator({
    db: new Kysely<unknown>({ dialect: await target.kysely() }),
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
