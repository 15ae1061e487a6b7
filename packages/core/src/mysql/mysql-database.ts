import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { silentLogger } from '../logger/port.ts';
import { systemRandom } from '../random/system-random.ts';
import { migrateDatabase } from '../sql/migrate.ts';
import type { Database, DatabaseCallOptions, SqlRow, SqlValue } from '../sql/port.ts';
import { tableNames } from '../sql/table-names.ts';
import { checkKeyCollations } from './key-collations.ts';
import { migrationTarget } from './migration-target.ts';
import { mysqlDialect } from './mysql-dialect.ts';
import type { MysqlDatabaseOptions } from './options.ts';
import { createSessions } from './pool.ts';
import { runStatement } from './run-statement.ts';
import { createStatementCache, type Statement } from './statement.ts';
import { createTransactions } from './transactions.ts';

const clockQuery = `SELECT ${mysqlDialect.nowMs} AS now`;
const pingQuery = 'SELECT @@GLOBAL.read_only AS readOnly';

/**
 * A database on MySQL 8.0.17 or later, or MariaDB 10.6 or later. Nothing connects before it is first used. Transactions are
 * `READ COMMITTED`; one that meets a deadlock is run again from its beginning, up to `maxAttempts` times in all, and so is one that
 * lost against a transaction on another node of Galera or Group Replication, which says so at `COMMIT` only. One that waits in
 * vain for a row is run again once: the second time that it waits as long it is `ABORTED` / `LOCK_TIMEOUT`.
 *
 * `migrate` also refuses, as `FAILED_PRECONDITION` / `SCHEMA_WRONG_COLLATION` with the statement that mends it, tables made with
 * `mysqlTableOptions` whose keys are not compared byte by byte.
 *
 * A change of a schema in a transaction waits for others that use the table for 2 s at most, since all who come after it wait
 * behind it; then it is `ABORTED` / `LOCK_TIMEOUT`. Migrations wait for as long as the server lets them.
 *
 * Connections of its own have the server end them, and with them what they locked, after 60 s without a word (MariaDB: after
 * 30 s within a transaction), for the case that this machine vanishes, and their time zone is UTC, whatever the server's is; a pool
 * of yours keeps the settings that it has. `now` and leases go by no time zone.
 *
 * Statements go over as text with the values filled in: exact for every value of the port, and one round trip each; a transaction
 * begins in that of its first. A text with several is refused: `INVALID_ARGUMENT` / `SEVERAL_STATEMENTS`.
 *
 * Errors, beside those of {@link Database}. What holds for every message, since it speaks of the server or of its schema, is
 * `UNAVAILABLE`, so that consumers wait for it: `MYSQL_CONNECT_REFUSED`, `MYSQL_CONNECT_TIMEOUT`, `MYSQL_CONNECTION_LOST`,
 * `MYSQL_HOST_NOT_FOUND`, `MYSQL_HOST_BLOCKED`, `MYSQL_STATEMENT_TIMEOUT`, `MYSQL_TOO_MANY_CONNECTIONS`, `POOL_EXHAUSTED`,
 * `POOL_CLOSED`, `MYSQL_CREDENTIALS_REFUSED`, `MYSQL_TLS_REFUSED`, `MYSQL_NO_TLS`, `MYSQL_TOO_OLD`, `MYSQL_NOT_SUPPORTED`,
 * `MYSQL_WRONG_CHARSET`, `MYSQL_NOT_READY`, `DATABASE_READ_ONLY`, `DATABASE_NOT_FOUND`, `DATABASE_NO_ACCESS`, `TABLE_NOT_FOUND`,
 * `DISK_FULL`, `DISK_ERROR`, `OUT_OF_MEMORY`, `STATEMENT_FAILED` (a column or a routine that is not there), `STATEMENT_INTERRUPTED`,
 * `COMMIT_UNKNOWN`, `CLOSED`; and for a pool of yours that is not set up as it has to be `MYSQL_NOT_STRICT`, `MYSQL_UNSAFE_MODE`,
 * `MYSQL_NO_AUTOCOMMIT`, `MYSQL_NO_FOUND_ROWS`. Of others it is `ABORTED` / `DEADLOCK`, `LOCK_TIMEOUT`, `TRANSACTION_CONFLICT`,
 * `ROW_CHANGED`, `TABLE_CHANGED`; of a value `INVALID_ARGUMENT` / `VALUE_REFUSED`, `VALUE_TOO_LARGE`, and `FAILED_PRECONDITION` /
 * `CONSTRAINT_VIOLATION`. What one message may bring about is `INTERNAL`, which costs attempts:
 * `STATEMENT_FAILED` (a mistake in a statement, what a trigger says, whatever is not known) and, retryable, what may be too much for
 * the server: `OUT_OF_MEMORY` (a sort), `TEMPORARY_TABLE_FULL`, `LOCK_TABLE_FULL`, `STATEMENT_INTERRUPTED` (a limit of the server's
 * for its time).
 *
 * Throws at once `INVALID_ARGUMENT` / `INVALID_MYSQL_URL` for an address that makes no sense, `INVALID_TABLE_PREFIX` for a prefix.
 *
 * @example
 * const database = createMysqlDatabase({ url: 'mysql://app:secret@localhost:3306/shop', poolSize: 20 });
 */
export function createMysqlDatabase(options: MysqlDatabaseOptions): Database {
  const tables = tableNames(options.tablePrefix);
  const sessions = createSessions(options);
  const compile = createStatementCache();
  const { where } = sessions;
  const run = createTransactions({
    sessions,
    compile,
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    logger: options.logger ?? silentLogger,
    maxAttempts: options.maxAttempts ?? 10,
  });
  let active = 0;
  let idle: (() => void) | undefined;
  let closing: Promise<void> | undefined;

  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closing !== undefined) {
      throw new PaystreamError('UNAVAILABLE', `the database on MySQL at ${where} is closed`, {
        reason: 'CLOSED',
        details: { database: where },
      });
    }
    active += 1;
    try {
      return await work();
    } finally {
      active -= 1;
      if (active === 0) idle?.();
    }
  };

  const readOnce = async (
    statement: Statement,
    parameters: readonly SqlValue[],
    how: DatabaseCallOptions | undefined,
  ): Promise<readonly SqlRow[]> => {
    const session = await sessions.acquire(how);
    try {
      return (await runStatement(session, statement, parameters)).rows;
    } finally {
      session.release();
    }
  };

  const read = async (sql: string, parameters: readonly SqlValue[] = [], how?: DatabaseCallOptions): Promise<readonly SqlRow[]> => {
    const statement = compile(sql);
    if (statement.kind !== 'read') {
      throw new PaystreamError('INVALID_ARGUMENT', `query only reads; write in a transaction: ${sql}`, {
        reason: 'NOT_A_QUERY',
        details: { sql },
      });
    }
    try {
      return await readOnce(statement, parameters, how);
    } catch (error) {
      // A connection that lay idle may have died: reading again does no harm.
      if (!PaystreamError.is(error) || error.reason !== 'MYSQL_CONNECTION_LOST') throw error;
      return readOnce(statement, parameters, how);
    }
  };

  const close = async (): Promise<void> => {
    if (active > 0) {
      await new Promise<void>((resolve) => {
        idle = resolve;
      });
    }
    await sessions.close();
  };

  return {
    name: 'mysql',
    dialect: mysqlDialect,
    tables,
    exclusive: false,
    transaction: (work, how) => counted(() => run(work, how)),
    query: <R = SqlRow>(sql: string, parameters?: readonly SqlValue[], how?: DatabaseCallOptions) =>
      counted(() => read(sql, parameters, how) as Promise<readonly R[]>),
    now: (how) =>
      counted(async () => {
        const [row] = await read(clockQuery, [], how);
        return Number(row?.['now']);
      }),
    migrate: (migrations, mode = 'apply') =>
      counted(async () => {
        const session = await sessions.acquire({ timeoutMs: 0 });
        try {
          await migrateDatabase(migrationTarget(session, compile, tables, where), migrations, mode);
          await checkKeyCollations(session, migrations, tables, where);
        } finally {
          session.release();
        }
      }),
    ping: () =>
      counted(async () => {
        const [row] = await read(pingQuery);
        if (row?.['readOnly'] === 0 || row?.['readOnly'] === 'OFF') return;
        throw new PaystreamError('UNAVAILABLE', `MySQL at ${where} takes no writes now: it is read-only`, { reason: 'DATABASE_READ_ONLY' });
      }),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
