import { PaystreamError } from '../errors/paystream-error.ts';
import { expectedColumns } from './expected-columns.ts';
import type { MigrationTarget } from './migration-target.ts';
import type { Migration } from './port.ts';

/** What migrations of one package have in common: `order` of `order_0001_orders`. */
const packageOf = (name: string): string => name.replace(/_\d{4}(?:_.*)?$/, '');

/**
 * Throws `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` if a table or a column is not there that migrations have made: dropped by hand,
 * or not in the dump that the schema comes from. Later, it would be found in the middle of somebody's order.
 *
 * `applied` are all of this database. A later release may have dropped what this one makes, and knows what it leaves to this one: of
 * a package of which migrations were applied that are not known here nothing is asked.
 */
export async function checkColumns(target: MigrationTarget, migrations: readonly Migration[], applied: readonly string[]): Promise<void> {
  const known = new Set(migrations.map(({ name }) => name));
  const ahead = new Set(applied.filter((name) => !known.has(name)).map(packageOf));
  const current = migrations.filter(({ name }) => !ahead.has(packageOf(name)));
  const expected = expectedColumns(current, target.dialect, target.tables);
  if (expected.size === 0) return;
  const there = await target.columns([...expected.keys()]);
  const lacking: string[] = [];
  const findings: string[] = [];
  for (const [table, columns] of expected) {
    const found = new Set(there.get(table)?.map((column) => column.toLowerCase()));
    if (found.size === 0) {
      lacking.push(table);
      findings.push(`there is no table ${table}${target.dialect === 'mysql' ? ' that this user may see' : ''}`);
      continue;
    }
    const gone = [...columns].filter((column) => !found.has(column.toLowerCase()));
    lacking.push(...gone.map((column) => `${table}.${column}`));
    if (gone.length > 0) findings.push(`table ${table} has no column ${gone.join(', ')}`);
  }
  if (lacking.length === 0) return;
  throw new PaystreamError(
    'FAILED_PRECONDITION',
    `the schema lacks what applied migrations have made: ${findings.join('; ')}. Put it back from a backup`,
    { reason: 'SCHEMA_INCOMPLETE', details: { lacking: lacking.join(',') } },
  );
}
