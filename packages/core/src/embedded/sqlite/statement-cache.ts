import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { PaystreamError } from '../../errors/paystream-error.ts';
import { checkParameterCount } from '../../sql/parameter-count.ts';
import type { SqlValue } from '../../sql/port.ts';
import { bindParameters } from './bind.ts';
import { placesIn } from './places.ts';
import { sqliteError } from './sqlite-errors.ts';

/** A compiled statement. */
export interface SqliteStatement {
  /** Whether it gives rows: a `SELECT`, or something with `RETURNING`. */
  readonly returnsRows: boolean;
  /** Whether it changes nothing. */
  readonly reads: boolean;
  /** Whether it begins or ends a transaction. */
  readonly controls: boolean;
  /** Runs it and gives its rows; integers as `number` where they are safe, otherwise as `bigint`. */
  all<R = Readonly<Record<string, SqlValue>>>(parameters: readonly SqlValue[]): R[];
  /** Runs it and says how many rows it changed. */
  run(parameters: readonly SqlValue[]): number;
}

/** Keeps compiled statements by their text. */
export interface StatementCache {
  get(this: void, sql: string): SqliteStatement;
  clear(this: void): void;
}

/** More texts than a program has; a bound for one that writes values into its statements. */
const maxStatements = 500;

const none: readonly SqlValue[] = [];

const writing = /\b(?:INSERT|UPDATE|DELETE|REPLACE)\b/i;

function narrow(rows: Record<string, SqlValue>[]): void {
  for (const row of rows) {
    for (const column in row) {
      const value = row[column];
      if (typeof value === 'bigint' && value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) row[column] = Number(value);
    }
  }
}

function prepare(database: DatabaseSync, path: string, sql: string): StatementSync {
  try {
    return database.prepare(sql);
  } catch (cause) {
    throw sqliteError(cause, path, 'compile', sql);
  }
}

function compile(database: DatabaseSync, path: string, sql: string): SqliteStatement {
  const prepared = prepare(database, path, sql);
  const returnsRows = prepared.columns().length > 0;
  const reads = returnsRows && (/^\s*(?:SELECT|VALUES|EXPLAIN)\b/i.test(sql) || (/^\s*WITH\b/i.test(sql) && !writing.test(sql)));
  // Reading integers as numbers is faster, but throws at the first one that is not safe. Then a pure read can be repeated
  // with bigints; what writes cannot, and reads bigints from the start.
  let bigints = returnsRows && !reads;
  if (bigints) prepared.setReadBigInts(true);
  const read = (parameters: SQLInputValue[]): Record<string, SqlValue>[] => {
    if (!bigints) {
      try {
        return prepared.all(...parameters) as Record<string, SqlValue>[];
      } catch (error) {
        if ((error as { code?: unknown }).code !== 'ERR_OUT_OF_RANGE') throw error;
        bigints = true;
        prepared.setReadBigInts(true);
      }
    }
    const rows = prepared.all(...parameters) as Record<string, SqlValue>[];
    narrow(rows);
    return rows;
  };
  const places = placesIn(sql);
  /** SQLite itself takes null for what is missing. */
  const bind = (parameters: readonly SqlValue[]): SQLInputValue[] => {
    if (places !== undefined) checkParameterCount(places, parameters.length, sql);
    return bindParameters(parameters, sql);
  };
  /** SQLite compiles again what it runs when the schema has changed, and does not say which of the two failed. */
  const failed = (cause: unknown): PaystreamError => {
    const error = sqliteError(cause, path, 'run', sql);
    if (error.code === 'INTERNAL') prepare(database, path, sql);
    return error;
  };
  return {
    returnsRows,
    reads,
    controls: /^\s*(?:BEGIN|COMMIT|END|ROLLBACK|SAVEPOINT|RELEASE)\b/i.test(sql),
    all: <R>(parameters: readonly SqlValue[] = none) => {
      const bound = bind(parameters);
      try {
        return read(bound) as R[];
      } catch (cause) {
        throw failed(cause);
      }
    },
    run: (parameters = none) => {
      const bound = bind(parameters);
      try {
        return Number(prepared.run(...bound).changes);
      } catch (cause) {
        throw failed(cause);
      }
    },
  };
}

/** Makes the cache of one connection. */
export function createStatementCache(database: DatabaseSync, path: string): StatementCache {
  const statements = new Map<string, SqliteStatement>();
  return {
    get: (sql) => {
      let statement = statements.get(sql);
      if (statement === undefined) {
        statement = compile(database, path, sql);
        if (statements.size >= maxStatements) {
          const oldest = statements.keys().next();
          if (!oldest.done) statements.delete(oldest.value);
        }
        statements.set(sql, statement);
      }
      return statement;
    },
    clear: () => statements.clear(),
  };
}
