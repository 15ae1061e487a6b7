import type { FieldPacket, PoolConnection, QueryOptions, ResultSetHeader } from 'mysql2';
import type { SqlRow } from '../sql/port.ts';
import { endsConnection, mysqlError } from './mysql-errors.ts';
import { toRows } from './result.ts';

/** What the server answered. */
export interface Reply {
  readonly rows: readonly SqlRow[];
  /** Rows inserted, changed or removed, as the server counts: two for a row that an upsert changed. */
  readonly affected: number;
  readonly warnings: number;
}

/** A connection of a pool, for as long as it is held. */
export interface Session {
  /**
   * Runs a statement in which all values are filled in; `sql` is it without them, for messages. What goes `ahead` of it is run
   * first, in the same round trip where the connection takes several statements at once.
   */
  run(text: string, sql: string, ahead?: readonly string[]): Promise<Reply>;
  /** Begins a transaction; together with its first statement where the connection takes several at once. */
  begin(): Promise<void>;
  /** Ends the transaction. Does nothing if no statement of it was sent. */
  end(how: 'COMMIT' | 'ROLLBACK'): Promise<void>;
  /** Waits for no answer any more: the connection is broken. */
  abandon(): void;
  /** Whether it broke before anything was answered since `begin`, as one does that had died while it lay idle. */
  readonly stale: boolean;
  /** Whether it can be used no more. */
  readonly broken: boolean;
  /** The largest statement that the server takes, in bytes. */
  readonly maxStatementBytes: number;
  /** Gives it back, or ends it if it is broken. */
  release(): void;
}

/** What was found out about a connection when it was first used. */
export interface SessionFacts {
  /** Whether transactions of this session must be told their isolation level. */
  readonly foreignIsolation: boolean;
  readonly maxStatementBytes: number;
}

/** Options of {@link createSession}. */
export interface SessionOptions {
  readonly connection: PoolConnection;
  readonly where: string;
  /** 0 for none. */
  readonly timeoutMs: number;
  /** How values are read, where the connection is set otherwise than ours. */
  readonly typeCast: QueryOptions['typeCast'];
  /** Whether the connection takes several statements at once. */
  readonly several: boolean;
}

const isolation = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED';
const begin = 'START TRANSACTION';
const noRows: readonly never[] = [];

/** Wraps a connection of the driver. */
export function createSession(options: SessionOptions, facts: () => SessionFacts): Session {
  const { connection, where, timeoutMs, typeCast, several } = options;
  const fixed = {
    supportBigNumbers: true,
    dateStrings: true,
    rowsAsArray: false,
    nestTables: false,
    namedPlaceholders: false,
    ...(timeoutMs > 0 ? { timeout: timeoutMs } : {}),
    ...(typeCast === undefined ? {} : { typeCast }),
  };
  let broken = false;
  let answered = false;
  /** The statement of a transaction that is sent first has to begin it. */
  let unbegun = false;
  let sent = false;
  let beginning: Promise<unknown> | undefined;

  /** Gives the answer to the last of the statements. */
  const send = (text: string, sql: string, many: boolean): Promise<Reply> =>
    new Promise((resolve, reject) => {
      sent = true;
      connection.query({ ...fixed, sql: text }, (cause: unknown, results: unknown, allFields: unknown) => {
        if (cause) {
          const error = mysqlError(cause, where, sql);
          if (endsConnection(error)) broken = true;
          else answered = true;
          reject(error);
          return;
        }
        answered = true;
        const result: unknown = many ? (results as unknown[]).at(-1) : results;
        const fields = (many ? (allFields as unknown[]).at(-1) : allFields) as FieldPacket[] | undefined;
        if (Array.isArray(result)) resolve({ rows: toRows(result as SqlRow[], fields ?? noRows), affected: 0, warnings: 0 });
        else {
          const { affectedRows, warningStatus } = result as ResultSetHeader;
          resolve({ rows: noRows, affected: affectedRows, warnings: warningStatus });
        }
      });
    });

  /** If it fails nothing of the transaction is stored, and it may not even have begun: the next statement begins it again. */
  const beginWith = async (text: string, sql: string): Promise<Reply> => {
    unbegun = false;
    const reply = send(`${begin};${text}`, sql, true);
    beginning = reply.catch(() => {
      unbegun = true;
    });
    try {
      return await reply;
    } finally {
      beginning = undefined;
    }
  };

  return {
    run: async (text, sql, ahead = noRows) => {
      // By itself, before the transaction has begun, a statement would be stored at once.
      while (beginning !== undefined) await beginning;
      if (!several) for (const one of ahead) await send(one, one, false);
      const whole = several && ahead.length > 0 ? `${ahead.join(';')};${text}` : text;
      return unbegun ? beginWith(whole, sql) : send(whole, sql, whole !== text);
    },
    begin: async () => {
      answered = false;
      sent = false;
      unbegun = several;
      if (several) return;
      if (facts().foreignIsolation) await send(isolation, isolation, false);
      await send(begin, begin, false);
    },
    end: async (how) => {
      unbegun = false;
      if (sent) await send(how, how, false);
    },
    abandon: () => {
      broken = true;
    },
    get broken() {
      return broken;
    },
    get stale() {
      return broken && !answered;
    },
    get maxStatementBytes() {
      return facts().maxStatementBytes;
    },
    release: () => {
      if (broken) connection.destroy();
      else connection.release();
    },
  };
}
