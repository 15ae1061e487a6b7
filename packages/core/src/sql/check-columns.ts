import { PaystreamError } from '../errors/paystream-error.ts';
import { expectedColumns } from './expected-columns.ts';
import type { MigrationTarget } from './migration-target.ts';
import type { Migration } from './port.ts';

/**
 * Throws `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` if a table or a column is not there that applied migrations have made: dropped
 * by hand, or not in the dump that the schema comes from. Later, it would be found in the middle of somebody's order.
 */
export async function checkColumns(target: MigrationTarget, migrations: readonly Migration[]): Promise<void> {
  const expected = expectedColumns(migrations, target.dialect, target.tables);
  if (expected.size === 0) return;
  const there = await target.columns([...expected.keys()]);
  const missing: string[] = [];
  const said: string[] = [];
  for (const [table, columns] of expected) {
    const found = new Set([...(there.get(table) ?? [])].map((column) => column.toLowerCase()));
    const lacking = found.size === 0 ? [] : [...columns].filter((column) => !found.has(column.toLowerCase()));
    missing.push(...(found.size === 0 ? [table] : lacking.map((column) => `${table}.${column}`)));
    if (found.size === 0) said.push(`there is no table ${table}`);
    else if (lacking.length > 0) said.push(`table ${table} has no column ${lacking.join(', ')}`);
  }
  if (missing.length === 0) return;
  throw new PaystreamError(
    'FAILED_PRECONDITION',
    `the schema lacks what applied migrations have made: ${said.join('; ')}. Put it back from a backup; exportMigrations writes the statements that made it`,
    { reason: 'SCHEMA_INCOMPLETE', details: { missing: missing.join(',') } },
  );
}
