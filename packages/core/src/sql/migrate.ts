import { PaystreamError } from '../errors/paystream-error.ts';
import { type MigrationTarget, refuseDuplicates } from './migration-target.ts';
import type { Migration, MigrationMode } from './port.ts';

/** Applies what is missing, or throws `FAILED_PRECONDITION` / `SCHEMA_OUT_OF_DATE` naming it. */
export async function migrateDatabase(target: MigrationTarget, migrations: readonly Migration[], mode: MigrationMode): Promise<void> {
  refuseDuplicates(migrations);
  const applied = await target.applied();
  const there = new Set(applied);
  const missing = migrations.filter((migration) => !there.has(migration.name)).map((migration) => migration.name);
  if (missing.length === 0) return;
  if (mode === 'apply') {
    // Kysely takes longer to load than most programs to start, and mostly there is nothing to apply.
    const { applyMigrations } = await import('./apply-migrations.ts');
    await applyMigrations(target, migrations, applied);
    return;
  }
  throw new PaystreamError(
    'FAILED_PRECONDITION',
    `the schema lacks ${missing.join(', ')}: apply them (migrate with 'apply', or run what exportMigrations writes of these alone)`,
    { reason: 'SCHEMA_OUT_OF_DATE', details: { missing: missing.join(',') } },
  );
}
