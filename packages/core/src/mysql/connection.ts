import type { FieldPacket, PoolConnection, QueryOptions, ResultSetHeader } from 'mysql2';
import type { PaystreamError } from '../errors/paystream-error.ts';
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
  /**
   * Runs statements one after another, until one fails; in one round trip where the connection takes several at once. Gives the
   * answer to each. Each is whole in itself: no comment is left open, no semicolon ends it.
   */
  runAll(texts: readonly string[], sql: string): Promise<readonly Reply[]>;
  /** Begins a transaction; together with its first statement where the connection takes several at once. */
  begin(): Promise<void>;
  /** From now on statements reject with `why`, those too that a call under way has yet to send. */
  refuse(why: PaystreamError): void;
  /** Ends the transaction. Does nothing if no statement of it was sent. */
  end(how: 'COMMIT' | 'ROLLBACK'): Promise<void>;
  /** Waits for no answer any more: the connection is broken. */
  abandon(): void;
  /** Whether it broke before anything was answered since `begin`, as one does that had died while it lay idle. Not by silence. */
  readonly stale: boolean;
  /** Whether it can be used no more. */
  readonly broken: boolean;
  /** Whether it is one of ours: set up in the way that is known, and taking several statements at once. */
  readonly own: boolean;
  /** The largest statement that the server takes, in bytes. */
  readonly maxStatementBytes: number;
  /** Gives it back, or ends it if it is broken or lacks a right. */
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
  /** Called when it was given back, or ended. */
  readonly released: () => void;
}

const isolation = 'SET TRANSACTION ISOLATION LEVEL READ COMMITTED';
const begin = 'START TRANSACTION';
const begun = 'SAVEPOINT paystream_begun';
const backToBegun = 'ROLLBACK TO SAVEPOINT paystream_begun';
const noRows: readonly never[] = [];

function replyOf(result: unknown, fields: unknown): Reply {
  if (Array.isArray(result)) {
    return { rows: toRows(result as SqlRow[], (fields as FieldPacket[] | undefined) ?? noRows), affected: 0, warnings: 0 };
  }
  const { affectedRows, warningStatus } = result as ResultSetHeader;
  return { rows: noRows, affected: affectedRows, warnings: warningStatus };
}

/** Wraps a connection of the driver. */
export function createSession(options: SessionOptions, facts: () => SessionFacts): Session {
  const { connection, where, timeoutMs, typeCast, several } = options;
  const fixed = {
    // Else the driver looks through the whole text for places to fill in.
    values: null,
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
  /** Whether the server let a statement wait until its time was over: another connection would wait as long. */
  let silent = false;
  /** Whether it met a right that is missing. One to a whole database holds for connections alone that are made after it was granted. */
  let outdated = false;
  /** The statement of a transaction that is sent first has to begin it. */
  let unbegun = false;
  let sent = false;
  let beginning: Promise<unknown> | undefined;
  let refused: PaystreamError | undefined;
  let brokenBy: PaystreamError | undefined;
  /** Rejects what was sent and is not answered yet. */
  const unanswered = new Set<(error: PaystreamError) => void>();

  /** The driver never calls back what waits behind a statement whose time was over. */
  const breakWith = (error: PaystreamError): void => {
    broken = true;
    brokenBy ??= error;
    for (const reject of unanswered) reject(error);
    unanswered.clear();
  };

  /** Gives the answer to each of the statements, of which there are several if it says `many`. */
  const send = (text: string, sql: string, many: boolean): Promise<readonly Reply[]> =>
    new Promise((resolve, reject) => {
      if (brokenBy !== undefined) {
        reject(brokenBy);
        return;
      }
      sent = true;
      unanswered.add(reject);
      connection.query({ ...fixed, sql: text }, (cause: unknown, results: unknown, fields: unknown) => {
        unanswered.delete(reject);
        if (cause) {
          const error = mysqlError(cause, where, sql);
          if (error.reason === 'MYSQL_STATEMENT_TIMEOUT') silent = true;
          if (error.reason === 'DATABASE_NO_ACCESS') outdated = true;
          if (endsConnection(error)) breakWith(error);
          else answered = true;
          reject(error);
          return;
        }
        answered = true;
        if (many) resolve((results as unknown[]).map((result, index) => replyOf(result, (fields as unknown[])[index])));
        else resolve([replyOf(results, fields)]);
      });
    });
  const sendOne = async (text: string, sql: string, many: boolean): Promise<Reply> => (await send(text, sql, many)).at(-1) as Reply;
  /** After the end of its transaction a statement would be stored by itself, or in the next. */
  const check = (): void => {
    if (refused !== undefined) throw refused;
  };

  /**
   * Begins the transaction together with statements. If they fail `undo` says whether it has begun and nothing of them is
   * stored; if not the next statement begins it again.
   */
  const beginWith = async (text: string, sql: string, undo: () => Promise<boolean>): Promise<readonly Reply[]> => {
    unbegun = false;
    const replies = send(`${begin};${text}`, sql, true);
    beginning = replies.catch(async () => {
      unbegun = !(await undo());
    });
    await beginning;
    beginning = undefined;
    return replies;
  };
  /** Of a single statement that failed nothing is stored, and the transaction may not even have begun. */
  const nothingToUndo = (): Promise<boolean> => Promise.resolve(false);
  const undoAll = (): Promise<boolean> =>
    send(backToBegun, backToBegun, false).then(
      () => true,
      () => false,
    );

  return {
    run: async (text, sql, ahead = noRows) => {
      // By itself, before the transaction has begun, a statement would be stored at once.
      while (beginning !== undefined) await beginning;
      check();
      if (!several) {
        for (const one of ahead) {
          await send(one, one, false);
          check();
        }
      }
      const whole = several && ahead.length > 0 ? `${ahead.join(';')};${text}` : text;
      if (!unbegun) return sendOne(whole, sql, whole !== text);
      return (await beginWith(whole, sql, nothingToUndo)).at(-1) as Reply;
    },
    runAll: async (texts, sql) => {
      while (beginning !== undefined) await beginning;
      check();
      if (!several) {
        const replies: Reply[] = [];
        for (const text of texts) {
          check();
          replies.push(await sendOne(text, sql, false));
        }
        return replies;
      }
      const whole = texts.join(';');
      if (!unbegun) return send(whole, sql, texts.length > 1);
      return (await beginWith(`${begun};${whole}`, sql, undoAll)).slice(-texts.length);
    },
    begin: async () => {
      answered = false;
      sent = false;
      unbegun = several;
      if (several) return;
      if (facts().foreignIsolation) await send(isolation, isolation, false);
      await send(begin, begin, false);
    },
    refuse: (why) => {
      refused = why;
    },
    end: async (how) => {
      unbegun = false;
      if (sent) await send(how, how, false);
    },
    abandon: () => {
      broken = true;
    },
    own: several,
    get broken() {
      return broken;
    },
    get stale() {
      return broken && !answered && !silent;
    },
    get maxStatementBytes() {
      return facts().maxStatementBytes;
    },
    release: () => {
      if (broken || outdated) connection.destroy();
      else connection.release();
      options.released();
    },
  };
}
