import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type SqliteStatement,
} from 'kysely';
import type { SqlValue } from '../../sql/port.ts';
import type { SqliteConnection } from '../sqlite/open.ts';

/** SQLite rolls back changes of schemas; Kysely leaves that out because some wrappers cannot. */
class TransactionalAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/** Two processes that start at once must not both begin by reading. */
class ImmediateDriver extends SqliteDriver {
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('BEGIN IMMEDIATE'));
  }
}

function prepare(connection: SqliteConnection, sql: string): SqliteStatement {
  const statement = connection.statement(sql);
  return {
    reader: statement.returnsRows,
    all: (parameters) => statement.all(parameters as readonly SqlValue[]),
    run: (parameters) => ({ changes: statement.run(parameters as readonly SqlValue[]), lastInsertRowid: 0 }),
    iterate: (parameters) => statement.all(parameters as readonly SqlValue[]).values(),
  };
}

/** Kysely's way to a connection of ours. It does not close it. */
export function kyselyDialect(connection: SqliteConnection): Dialect {
  return {
    createAdapter: () => new TransactionalAdapter(),
    createDriver: () => new ImmediateDriver({ database: { prepare: (sql) => prepare(connection, sql), close: () => undefined } }),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}
