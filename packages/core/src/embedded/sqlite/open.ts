import { DatabaseSync } from 'node:sqlite';
import type { SqlValue } from '../../sql/port.ts';
import { lockSqliteFile } from './lock.ts';
import { sqliteError } from './sqlite-errors.ts';
import { createStatementCache, type SqliteStatement } from './statement-cache.ts';
import { createWalSync } from './wal-sync.ts';

/** Options of {@link openSqlite}. */
export interface OpenSqliteOptions {
  /** The file, whose folder must exist; `:memory:` for one that is gone with the connection. */
  readonly path: string;
  /** `full`: `synced` waits until commits survive a power failure. `normal`: the last ones may not; all survive a crash of the process. Default: `full`. */
  readonly synchronous?: 'full' | 'normal' | undefined;
  /** Refuses the file if another connection has opened it this way, in this process or another. Tools that only read may still look in. Default: true. */
  readonly exclusive?: boolean | undefined;
  /** How long a statement waits for a lock of another process, in milliseconds; the event loop stands still meanwhile. Default: 2,000. */
  readonly busyTimeoutMs?: number | undefined;
}

/** One connection to one file. Everything but `synced` is synchronous; errors are `PaystreamError`s. */
export interface SqliteConnection {
  readonly path: string;
  /** Whether a transaction is open; SQLite may end one by itself when the disk fails. */
  readonly inTransaction: boolean;
  /** The compiled statement of this text; compiled once and kept. */
  statement(sql: string): SqliteStatement;
  /** Runs statements that take no parameters, separated by semicolons. */
  script(sql: string): void;
  /** Resolves when what was committed before the call survives a power failure; nothing may be acknowledged earlier. `undefined` where that is not asked for. */
  synced(): Promise<void> | undefined;
  /** Makes a function without parameters that statements can call. */
  defineFunction(name: string, call: () => SqlValue): void;
  /** Safe to call again. */
  close(): void;
}

/**
 * Opens a SQLite file in WAL mode for writing, and makes sure that it can be written.
 *
 * Errors: `FAILED_PRECONDITION` / `DATABASE_IN_USE` if somebody else has it, `DATABASE_CANNOT_OPEN`, `DATABASE_READ_ONLY`;
 * `DATA_LOSS` / `DATABASE_CORRUPT` if the file is none or damaged.
 */
export function openSqlite(options: OpenSqliteOptions): SqliteConnection {
  const { path } = options;
  const inMemory = path === ':memory:';
  const lock = inMemory || options.exclusive === false ? undefined : lockSqliteFile(path);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec(`PRAGMA busy_timeout = ${options.busyTimeoutMs ?? 2_000}`);
    if (!inMemory) {
      // Commits are synced by `synced`. What SQLite syncs itself now, around checkpoints, is what keeps the file whole.
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
      database.exec('PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -65536');
      // Finds out now, not at the first write, that the file cannot be written.
      database.exec('BEGIN IMMEDIATE; ROLLBACK');
    }
    database.exec('PRAGMA temp_store = MEMORY');
  } catch (cause) {
    database?.close();
    lock?.release();
    throw sqliteError(cause, path, 'open');
  }
  const open = database;
  const statements = createStatementCache(open, path);
  const wal = inMemory || options.synchronous === 'normal' ? undefined : createWalSync(path);
  return {
    path,
    get inTransaction() {
      return open.isOpen && open.isTransaction;
    },
    statement: statements.get,
    script: (sql) => {
      try {
        open.exec(sql);
      } catch (cause) {
        throw sqliteError(cause, path, 'run', sql);
      }
    },
    synced: () => wal?.synced(),
    defineFunction: (name, call) => open.function(name, () => call()),
    close: () => {
      if (!open.isOpen) return;
      statements.clear();
      wal?.close();
      open.close();
      lock?.release();
    },
  };
}
