import type { Database, SqlDialect, TableNames } from './port.ts';

/** What a statement is written from. */
export interface StatementContext {
  readonly tables: TableNames;
  readonly dialect: SqlDialect;
}

/**
 * Writes a concept's statements once for a database, so that the hot ones are compiled once.
 *
 * @example
 * const orderStatements = defineStatements(({ tables, dialect }) => ({
 *   find: `SELECT * FROM ${tables('orders')} WHERE order_id IN ${dialect.inJson}`,
 * }));
 * const sql = orderStatements(database);
 */
export function defineStatements<S extends Readonly<Record<string, string>>>(
  write: (context: StatementContext) => S,
): (database: Pick<Database, 'tables' | 'dialect'>) => S {
  return (database) => write({ tables: database.tables, dialect: database.dialect });
}
