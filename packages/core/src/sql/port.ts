/** A value that a statement takes. Amounts and counters are `bigint` or safe integers; times are integers of milliseconds since the epoch. */
export type SqlValue = string | number | bigint | Uint8Array | null;

/** A row, by column name. Integers come as `number` where they are safe, otherwise as `bigint`. */
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** What a statement did. */
export interface SqlResult<R = SqlRow> {
  /** The rows that it returned; empty for a statement that returns none. */
  readonly rows: readonly R[];
  /** How many rows it inserted, changed or removed. */
  readonly affected: number;
}

/**
 * The least of a transaction: what outbox and inbox need in order to join **the caller's own**. Statements use `?` for
 * parameters and are in the dialect of the database behind it.
 */
export interface SqlTransaction {
  /** Runs one statement. Integers in rows may come as `number` or `bigint`. Rejects as the database behind it does. */
  execute<R = SqlRow>(sql: string, parameters?: readonly SqlValue[]): Promise<SqlResult<R>>;
}

/** A transaction that the library began itself. */
export interface Transaction extends SqlTransaction {
  /** One statement for each list of parameters: faster than one call each. `affected[i]` belongs to `rows[i]`. If it rejects, any number of them may have been run. */
  executeMany(sql: string, rows: readonly (readonly SqlValue[])[]): Promise<{ readonly affected: readonly number[] }>;
  /**
   * Calls back after this transaction has committed, before `transaction` resolves; in the order in which transactions
   * committed. `unknown` is called instead if the connection was lost during the commit, so that nobody can say how it ended.
   * Neither may throw.
   */
  onCommit(callback: () => void, unknown?: () => void): void;
}

/** Where the databases differ, as fragments of statements. */
export interface SqlDialect {
  /** Which one. */
  readonly name: 'sqlite' | 'mysql';
  /** `INSERT` that leaves a row whose key is taken as it is: `affected` tells which were new. */
  insertOrIgnore(table: string, columns: readonly string[]): string;
  /**
   * `INSERT` that, where the row's key is taken, runs the assignments instead; `excluded('c')` is the value that was to be
   * inserted. Let no assignment read a column that one before it changes: databases differ in what it then sees.
   */
  upsert(
    table: string,
    columns: readonly string[],
    key: readonly string[],
    assignments: (excluded: (column: string) => string) => string,
  ): string;
  /**
   * Appended to an `UPDATE` whose `WHERE` names a unique key, so that it changes one row at most: `executeMany` changes many rows
   * in one statement where that is faster. Let no assignment read a column that another one changes, and let texts of the key be
   * compared as {@link mysqlTableOptions} say.
   */
  readonly oneRow: string;
  /** A list from one parameter that is a JSON array of strings or integers: `id IN ${inJson}`. */
  readonly inJson: string;
  /** Appended to a `SELECT` whose rows are then changed: locks them, leaves out rows that others have locked. */
  readonly forUpdateSkipLocked: string;
  /**
   * Appended to a `SELECT` whose rows are then changed: locks them, and waits for those that others have locked or have added
   * and not committed; it then sees them as they were committed.
   */
  readonly forUpdate: string;
  /** An expression: the database's clock, in milliseconds since the epoch. */
  readonly nowMs: string;
}

/** Names of tables with their prefix: `tables('orders')` is `paystream_orders`. */
export type TableNames = (name: string) => string;

/** A step of a schema. Never changed once it was released. */
export interface Migration {
  /** Unique among all packages: that of the package, and a number of four digits that grows: `order_0001_orders`. */
  readonly name: string;
  /**
   * The statements, for each dialect; one that a package does not support yet is left out. `migrate` looks for the tables and columns
   * that they make: those of `CREATE TABLE`, and of `ALTER TABLE` with `ADD`, `DROP` and `MODIFY`. Of a table that is renamed, or changed
   * otherwise, nothing is asked; so change a table only by migrations that are handed in together with those that make it.
   */
  readonly statements: Readonly<Partial<Record<SqlDialect['name'], (tables: TableNames) => readonly string[]>>>;
}

/** What a database should do about its schema. */
export type MigrationMode =
  /** Apply what is missing; safe with several replicas starting at once. */
  | 'apply'
  /** Throw `FAILED_PRECONDITION` / `SCHEMA_OUT_OF_DATE`, naming what is missing. */
  | 'check';

/** How a call of a database is made. */
export interface DatabaseCallOptions {
  /**
   * Goes before others where calls wait for a connection, and has one kept for it where there are several. For the few short calls
   * that a lease rests on, which would else run out behind work that waits for locks. Default: false. Where all take turns, as on
   * SQLite, it makes no difference.
   */
  readonly urgent?: boolean;
}

/**
 * A relational database with transactions.
 *
 * Errors: `UNAVAILABLE` while it cannot be reached or does not serve, whatever the cause: down, full, closed, a password that is
 * refused, a schema of another release (nothing was committed, but with the reason `COMMIT_UNKNOWN` it may have been); `ABORTED`
 * if the transaction lost against others again and again and may be repeated; `ALREADY_EXISTS` / `UNIQUE_VIOLATION` for a key
 * that is taken. What one message can bring about has another code: a consumer gives it up, and waits at `UNAVAILABLE`.
 * `details.database` says that an error is of the database's making.
 *
 * Who creates a database closes it.
 */
export interface Database {
  /** For messages to people: `sqlite`, `mysql`. */
  readonly name: string;
  /** Where it differs from others. */
  readonly dialect: SqlDialect;
  /** Names of tables with this database’s prefix. */
  readonly tables: TableNames;
  /** Whether no other process can use this database while this one has it open. */
  readonly exclusive: boolean;
  /**
   * Runs `work` in a transaction: commits when it resolves, rolls back when it rejects, then resolves or rejects with
   * its result. Inside, await nothing but the transaction, and each of its calls: once `work` is over no statement is run any
   * more, of a call under way neither, and if it resolves while one is, nothing is stored and the transaction rejects with
   * `FAILED_PRECONDITION` / `CALL_NOT_AWAITED`. Durable once it resolves. One that loses against another may be run again from
   * its beginning: let `work` change nothing outside it but by `onCommit`.
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: DatabaseCallOptions): Promise<T>;
  /** Reads outside a transaction; sees what is committed. */
  query<R = SqlRow>(sql: string, parameters?: readonly SqlValue[], options?: DatabaseCallOptions): Promise<readonly R[]>;
  /** The database's own clock, in milliseconds since the epoch: what leases are measured by. */
  now(options?: DatabaseCallOptions): Promise<number>;
  /**
   * Brings the schema up to date, or checks that it is. Migrations of several packages may be given in several calls. Either way it
   * throws `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` where tables or columns of theirs are not there any more, with the names,
   * separated by commas, in `details.lacking`: `paystream_orders`, `paystream_outbox.content`. Not of a package of which a later
   * release has applied more than it is given here.
   */
  migrate(migrations: readonly Migration[], mode?: MigrationMode): Promise<void>;
  /** Rejects if the database cannot be reached or cannot store, saying why. For health checks. */
  ping(): Promise<void>;
  /** Waits for running transactions, then closes. Safe to call again. */
  close(): Promise<void>;
}
