import { PaystreamError } from '../errors/paystream-error.ts';
import { type MigrationTarget, migrationTables } from '../sql/migration-target.ts';
import type { TableNames } from '../sql/port.ts';
import type { Session } from './connection.ts';
import { createMigrationSteps } from './migration-steps.ts';
import type { Statement } from './statement.ts';

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
    step: steps.run,
    done: steps.forget,
  };
}
