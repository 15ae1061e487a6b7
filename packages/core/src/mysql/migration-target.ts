import { PaystreamError } from '../errors/paystream-error.ts';
import { type MigrationTarget, migrationTables } from '../sql/migration-target.ts';
import type { TableNames } from '../sql/port.ts';
import type { Session } from './connection.ts';
import { literal } from './literal.ts';
import { createMigrationSteps } from './migration-steps.ts';
import type { Statement } from './statement.ts';

async function columnsOf(session: Pick<Session, 'run'>, names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  // MariaDB looks a table up by a name that is equal, and reads the whole schema for one in a list.
  const arms = names.map((name) => {
    const table = literal(name, 0, '');
    return `SELECT ${table} AS tableName, COLUMN_NAME AS columnName FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${table}`;
  });
  const sql = arms.join('\nUNION ALL ');
  const found = new Map<string, string[]>();
  for (const { tableName, columnName } of (await session.run(sql, sql)).rows) {
    const columns = found.get(String(tableName)) ?? [];
    columns.push(String(columnName));
    found.set(String(tableName), columns);
  }
  return found;
}

/** The schema behind a connection that is held meanwhile. */
export function migrationTarget(session: Session, compile: (sql: string) => Statement, tables: TableNames, where: string): MigrationTarget {
  const steps = createMigrationSteps(session, compile, tables);
  return {
    dialect: 'mysql',
    tables,
    kysely: async () => (await import('./kysely-dialect.ts')).kyselyDialect(session, compile, tables, where),
    applied: async () => {
      const sql = `SELECT name FROM ${tables(migrationTables.applied)}`;
      try {
        const { rows } = await session.run(sql, sql);
        return rows.map((row) => String(row['name']));
      } catch (error) {
        if (PaystreamError.is(error) && error.reason === 'TABLE_NOT_FOUND') return [];
        throw error;
      }
    },
    columns: (names) => columnsOf(session, names),
    step: steps.run,
    done: steps.forget,
  };
}
