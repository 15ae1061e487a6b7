import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  sql,
  type TableMetadata,
} from 'kysely';
import { PaystreamError } from '../errors/paystream-error.ts';
import { migrationTables } from '../sql/migration-target.ts';
import type { SqlValue, TableNames } from '../sql/port.ts';
import type { Session } from './connection.ts';
import { fill, type Statement } from './statement.ts';

/** How long a replica waits for another that migrates, in seconds. */
const lockTimeoutSeconds = 600;

/** Locks by schema and prefix: others on the server are none of our business. */
class LockingAdapter extends MysqlAdapter {
  readonly #tables: TableNames;
  readonly #where: string;

  constructor(tables: TableNames, where: string) {
    super();
    this.#tables = tables;
    this.#where = where;
  }

  #name(): ReturnType<typeof sql> {
    return sql`CONCAT('paystream-', LEFT(SHA2(CONCAT(DATABASE(), '/', ${sql.lit(this.#tables('migrations'))}), 256), 40))`;
  }

  override async acquireMigrationLock(db: Kysely<unknown>): Promise<void> {
    const { rows } = await sql<{ taken: number | null }>`SELECT GET_LOCK(${this.#name()}, ${sql.lit(lockTimeoutSeconds)}) AS taken`.execute(
      db,
    );
    if (rows[0]?.taken === 1) return;
    throw new PaystreamError(
      'UNAVAILABLE',
      `MySQL at ${this.#where}: another process has been changing the schema for ${lockTimeoutSeconds} s`,
      {
        reason: 'MIGRATION_LOCKED',
      },
    );
  }

  override async releaseMigrationLock(db: Kysely<unknown>): Promise<void> {
    await sql`SELECT RELEASE_LOCK(${this.#name()})`.execute(db);
  }
}

/** Looks for the tables of migrations alone, which is all that Kysely asks for: a schema may have thousands. */
class NarrowIntrospector extends MysqlIntrospector {
  readonly #db: Kysely<unknown>;
  readonly #tables: TableNames;

  constructor(db: Kysely<unknown>, tables: TableNames) {
    super(db);
    this.#db = db;
    this.#tables = tables;
  }

  override async getTables(): Promise<TableMetadata[]> {
    const names = [migrationTables.applied, migrationTables.lock].map((name) => this.#tables(name));
    // MariaDB looks a table up by a name that is equal, and reads the whole schema for one in a list.
    const parts = names.map(
      (name) =>
        sql`SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${sql.lit(name)}`,
    );
    const { rows } = await sql<{ name: string }>`${sql.join(parts, sql` UNION ALL `)}`.execute(this.#db);
    return rows.map(({ name }) => ({ name, isView: false, isForeign: false, columns: [] }));
  }
}

function connectionOf(session: Session, compile: (sql: string) => Statement): DatabaseConnection {
  return {
    executeQuery: async <R>({ sql: text, parameters }: CompiledQuery) => {
      const { rows, affected } = await session.run(fill(compile(text).whole, parameters as readonly SqlValue[], text), text);
      return { rows: rows as R[], numAffectedRows: BigInt(affected) };
    },
    streamQuery: () => {
      throw new PaystreamError('UNSUPPORTED', 'migrations stream nothing', { reason: 'NO_STREAMING' });
    },
  };
}

/** Kysely's way to a connection that is held meanwhile. It does not give it back. */
export function kyselyDialect(session: Session, compile: (sql: string) => Statement, tables: TableNames, where: string): Dialect {
  const run = (text: string): Promise<void> => session.run(text, text).then(() => undefined);
  const driver: Driver = {
    init: () => Promise.resolve(),
    acquireConnection: async () => connectionOf(session, compile),
    beginTransaction: () => run('START TRANSACTION'),
    commitTransaction: () => run('COMMIT'),
    rollbackTransaction: () => run('ROLLBACK'),
    releaseConnection: () => Promise.resolve(),
    destroy: () => Promise.resolve(),
  };
  return {
    createAdapter: () => new LockingAdapter(tables, where),
    createDriver: () => driver,
    createIntrospector: (db) => new NarrowIntrospector(db, tables),
    createQueryCompiler: () => new MysqlQueryCompiler(),
  };
}
