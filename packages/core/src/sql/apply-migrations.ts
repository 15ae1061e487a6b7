import { CompiledQuery, Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type MigrationTarget, migrationTables, statementsOf } from './migration-target.ts';
import type { Migration } from './port.ts';

/** Reasons of `UNAVAILABLE` that speak of the migration's own statements: a person wants to know which one it was. */
const ofStatement: ReadonlySet<string> = new Set(['STATEMENT_FAILED', 'TABLE_NOT_FOUND', 'DATABASE_NO_ACCESS']);

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
  const step = async (db: Kysely<unknown>, name: string, statements: readonly string[]): Promise<void> => {
    if (target.step !== undefined) return target.step(name, statements);
    for (const statement of statements) await db.executeQuery(CompiledQuery.raw(statement));
  };
  const migrator = new Migrator({
    db: new Kysely<unknown>({ dialect: await target.kysely() }),
    provider: {
      getMigrations: async () => {
        // Asked for under the lock: another process may have applied those of another package meanwhile.
        for (const name of await target.applied()) if (!known.has(name)) known.set(name, () => []);
        return Object.fromEntries(
          [...known].map(([name, statements]) => [name, { up: (db: Kysely<unknown>) => step(db, name, statements()) }]),
        );
      },
    },
    migrationTableName: target.tables(migrationTables.applied),
    migrationLockTableName: target.tables(migrationTables.lock),
    allowUnorderedMigrations: true,
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) {
    await target.done?.();
    return;
  }
  const failed = results?.find((result) => result.status === 'Error')?.migrationName;
  const cause = PaystreamError.from(error);
  if (cause.code === 'UNAVAILABLE' && !ofStatement.has(cause.reason)) throw cause;
  throw new PaystreamError(
    'FAILED_PRECONDITION',
    `the schema could not be brought up to date${failed === undefined ? '' : `: migration ${failed} failed`}: ${cause.message}`,
    { reason: 'MIGRATION_FAILED', details: failed === undefined ? {} : { migration: failed }, cause },
  );
}
