import type { Clock } from '../../clock/port.ts';
import { systemClock } from '../../clock/system-clock.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import { migrateDatabase } from '../../sql/migrate.ts';
import { migrationTables } from '../../sql/migration-target.ts';
import type { Database, SqlRow } from '../../sql/port.ts';
import { tableNames } from '../../sql/table-names.ts';
import { openSqlite, type SqliteConnection } from '../sqlite/open.ts';
import { nowFunction, sqliteDialect } from './sqlite-dialect.ts';
import { createTransactionQueue } from './transaction-queue.ts';

/** Options of {@link createSqliteDatabase}. */
export interface SqliteDatabaseOptions {
  /** The file, whose folder must exist; `:memory:` for one that is gone when it is closed. */
  readonly path: string;
  /** Goes before the name of each table. Default: `paystream_`. */
  readonly tablePrefix?: string;
  /** What the database's clock shows. Default: the system clock. */
  readonly clock?: Clock;
  /** `full`: what was committed survives a power failure. `normal`: the last commits may not; all survive a crash of the process. Default: `full`. */
  readonly synchronous?: 'full' | 'normal';
  /** Keeps every other `createSqliteDatabase` off this file, in this process and others. Services then know that whoever had it before is gone. Default: true. */
  readonly exclusive?: boolean;
  /** Transactions of one turn of the event loop share one commit. Default: true. */
  readonly groupCommits?: boolean;
  /** Refuses a transaction that awaits something other than its own calls, with `FAILED_PRECONDITION` / `FOREIGN_AWAIT`; without it all others wait for it. Default: true. */
  readonly refuseForeignAwaits?: boolean;
}

const maxGroupSize = 64;

function appliedMigrations(connection: SqliteConnection, table: string): readonly string[] {
  const there = connection.statement("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").all([table]);
  if (there.length === 0) return [];
  return connection
    .statement(`SELECT name FROM ${table}`)
    .all<{ readonly name: string }>([])
    .map((row) => row.name);
}

function columnsOf(connection: SqliteConnection, table: string): readonly string[] {
  return connection
    .statement('SELECT name FROM pragma_table_xinfo(?)')
    .all<{ readonly name: string }>([table])
    .map((row) => row.name);
}

/**
 * A database in a SQLite file, for one process on one machine. There is one writer: transactions run one after the other,
 * and those of one turn of the event loop share a commit. A commit is on the disk before its transaction resolves.
 *
 * Errors when it is opened: `FAILED_PRECONDITION` / `DATABASE_IN_USE`, `DATABASE_CANNOT_OPEN`, `DATABASE_READ_ONLY`; `DATA_LOSS` /
 * `DATABASE_CORRUPT`. Later, beside those of {@link Database}, all that speaks of the file or its schema is `UNAVAILABLE`, so that
 * consumers wait for it: `DISK_FULL`, `DISK_ERROR`, `DATABASE_READ_ONLY`, `DATABASE_CORRUPT`, `TABLE_NOT_FOUND`, `STATEMENT_FAILED` (a
 * column that is not there), `CLOSED`. What one message may bring about, such as a list that is too long, is `INTERNAL` /
 * `STATEMENT_FAILED`, which costs attempts.
 *
 * @example
 * const database = await createSqliteDatabase({ path: './data/orders.db' });
 */
export async function createSqliteDatabase(options: SqliteDatabaseOptions): Promise<Database> {
  const clock = options.clock ?? systemClock;
  const tables = tableNames(options.tablePrefix);
  const connection = openSqlite({ path: options.path, synchronous: options.synchronous, exclusive: options.exclusive });
  connection.defineFunction(nowFunction, () => clock.now());
  const queue = createTransactionQueue({
    connection,
    maxGroupSize: (options.groupCommits ?? true) ? maxGroupSize : 1,
    refuseForeignAwaits: options.refuseForeignAwaits ?? true,
  });
  return {
    name: 'sqlite',
    dialect: sqliteDialect,
    tables,
    exclusive: options.exclusive !== false || options.path === ':memory:',
    transaction: queue.transaction,
    // The same connection reads: its statements hold the event loop up anyway, so a second one would let nothing run beside.
    query: <R = SqlRow>(sql: string, parameters = []) =>
      queue.read(() => {
        const statement = connection.statement(sql);
        if (statement.reads) return statement.all<R>(parameters);
        throw new PaystreamError('INVALID_ARGUMENT', `query only reads; write in a transaction: ${sql}`, { reason: 'NOT_A_QUERY' });
      }),
    now: async () => clock.now(),
    migrate: (migrations, mode = 'apply') =>
      queue.alone(() =>
        migrateDatabase(
          {
            dialect: 'sqlite',
            tables,
            kysely: async () => (await import('./kysely-dialect.ts')).kyselyDialect(connection),
            applied: async () => appliedMigrations(connection, tables(migrationTables.applied)),
            columns: async (names) => new Map(names.map((name) => [name, columnsOf(connection, name)])),
          },
          migrations,
          mode,
        ),
      ),
    ping: () =>
      queue.alone(async () => {
        // Writing what is there already still takes a commit: nothing less shows that the disk has room.
        const [row] = connection.statement('PRAGMA user_version').all<{ readonly user_version: number }>([]);
        connection.script(`PRAGMA user_version = ${row?.user_version ?? 0}`);
      }),
    close: async () => {
      await queue.close();
      connection.close();
    },
  };
}
