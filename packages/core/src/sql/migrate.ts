import { PaystreamError } from '../errors/paystream-error.ts';
import { checkColumns } from './check-columns.ts';
import { type MigrationTarget, refuseDuplicates } from './migration-target.ts';
import type { Migration, MigrationMode } from './port.ts';

/**
 * Applies what is missing, or throws `FAILED_PRECONDITION` / `SCHEMA_OUT_OF_DATE` naming it; then makes sure that what was applied
 * is still there.
 */
export async function migrateDatabase(target: MigrationTarget, migrations: readonly Migration[], mode: MigrationMode): Promise<void> {
  refuseDuplicates(migrations);
  const applied = await target.applied();
  const there = new Set(applied);
  const missing = migrations.filter((migration) => !there.has(migration.name)).map((migration) => migration.name);
  if (missing.length > 0) {
    if (mode === 'check') throw outOfDate(missing);
    // Kysely takes longer to load than most programs to start, and mostly there is nothing to apply.
    const { applyMigrations } = await import('./apply-migrations.ts');
    await applyMigrations(target, migrations, applied);
  }
  await checkColumns(target, migrations, applied);
}

function outOfDate(missing: readonly string[]): PaystreamError {
  return new PaystreamError(
    'FAILED_PRECONDITION',
    `the schema lacks ${missing.join(', ')}: apply them (migrate with 'apply', or run what exportMigrations writes of these alone)`,
    { reason: 'SCHEMA_OUT_OF_DATE', details: { missing: missing.join(',') } },
  );
}
