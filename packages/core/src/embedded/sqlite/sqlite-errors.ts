import { type ErrorCode, PaystreamError } from '../../errors/paystream-error.ts';

type Meaning = readonly [code: ErrorCode, reason: string, advice: string];

/*
 * A consumer pauses at UNAVAILABLE, for as long as it lasts, and gives up what fails otherwise. So UNAVAILABLE is what is known to
 * hold for every message: it speaks of the file, the disk or the schema. All else, such as a list that is too long or a search
 * that is not well formed, may be due to one message.
 */

const busy: Meaning = ['UNAVAILABLE', 'DATABASE_BUSY', 'another connection holds its lock'];
const interrupted: Meaning = ['UNAVAILABLE', 'STATEMENT_INTERRUPTED', 'it was ended before it was done'];
const diskError: Meaning = ['UNAVAILABLE', 'DISK_ERROR', 'the disk failed to read or write; nothing of the transaction was stored'];

/** Primary result codes. @see https://www.sqlite.org/rescode.html */
const primary = new Map<number, Meaning>([
  [3, ['UNAVAILABLE', 'DATABASE_NO_ACCESS', 'check the permissions of the file and its folder']],
  [4, interrupted],
  [5, busy],
  [6, busy],
  [7, ['UNAVAILABLE', 'OUT_OF_MEMORY', 'the process is out of memory']],
  [8, ['UNAVAILABLE', 'DATABASE_READ_ONLY', 'the file or its folder cannot be written; check their permissions']],
  [9, interrupted],
  [10, diskError],
  [11, ['UNAVAILABLE', 'DATABASE_CORRUPT', 'restore it from a backup']],
  [13, ['UNAVAILABLE', 'DISK_FULL', 'free some space; nothing of the transaction was stored']],
  [14, ['UNAVAILABLE', 'DATABASE_CANNOT_OPEN', 'the folder must exist and be writable']],
  [15, busy],
  [17, ['UNAVAILABLE', 'STATEMENT_FAILED', 'its schema was changed meanwhile']],
  [18, ['INVALID_ARGUMENT', 'VALUE_TOO_LARGE', 'a value or the statement is larger than SQLite takes']],
  [19, ['FAILED_PRECONDITION', 'CONSTRAINT_VIOLATION', 'a row breaks a rule of its table']],
  [20, ['INVALID_ARGUMENT', 'VALUE_REFUSED', 'the value does not fit its column']],
  [22, diskError],
  [25, ['INVALID_ARGUMENT', 'INVALID_PARAMETER', 'the statement has fewer places than there are parameters']],
  [26, ['UNAVAILABLE', 'DATABASE_CORRUPT', 'it is damaged, or something else: restore it from a backup']],
]);
/** The code of everything that has none of its own: what is wrong with a statement, and what a function says of a value. */
const generic = 1;

/** Of a file that is only being opened, where nothing waits for it yet, it says that it will not do. */
const whileOpening: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['DATABASE_NO_ACCESS', 'FAILED_PRECONDITION'],
  ['DATABASE_READ_ONLY', 'FAILED_PRECONDITION'],
  ['DATABASE_CANNOT_OPEN', 'FAILED_PRECONDITION'],
  ['DATABASE_CORRUPT', 'DATA_LOSS'],
]);

/** Extended result codes for a key that is taken: UNIQUE, PRIMARYKEY, ROWID. */
const uniqueViolations: ReadonlySet<number> = new Set([2067, 1555, 2579]);

interface SqliteFailure {
  readonly code?: unknown;
  readonly errcode?: unknown;
  readonly message?: unknown;
}

/** What was being done: a file was opened, a statement compiled, or run. */
export type SqliteStage = 'open' | 'compile' | 'run';

/** What the compiler says where the schema is another than the statement expects. Names do not come from values. */
const ofSchema = [
  /^no such (?:table|column|function|module|index)\b/,
  /^table .* has (?:no column named|\d+ columns? but)/,
  /^(?:ambiguous column name|wrong number of arguments to function)\b/,
  /^\d+ values for \d+ columns/,
  /^cannot (?:INSERT into|UPDATE) generated column/,
  /^cannot modify .* because it is a view/,
  /do not have the same number of result columns/,
  /^(?:error in (?:view|trigger) |malformed database schema)/,
] as const;

/** Only the compiler means the schema: a full-text search for `foo:bar` says, when it is run, that there is no column `foo`. */
function isOfSchema(errcode: number | undefined, message: string, stage: SqliteStage): boolean {
  return errcode === generic && stage === 'compile' && ofSchema.some((words) => words.test(message));
}

/** Turns what `node:sqlite` throws into a `PaystreamError`. */
export function sqliteError(cause: unknown, path: string, stage: SqliteStage, sql?: string): PaystreamError {
  if (PaystreamError.is(cause)) return cause;
  const failure: SqliteFailure = typeof cause === 'object' && cause !== null ? cause : { message: String(cause) };
  const message = String(failure.message);
  const errcode = typeof failure.errcode === 'number' ? failure.errcode : undefined;
  const details = {
    database: path,
    ...(sql === undefined ? {} : { sql }),
    ...(errcode === undefined ? {} : { sqliteCode: String(errcode) }),
  };
  if (errcode !== undefined && uniqueViolations.has(errcode)) {
    return new PaystreamError('ALREADY_EXISTS', message, { reason: 'UNIQUE_VIOLATION', details, cause });
  }
  const known = errcode === undefined ? undefined : primary.get(errcode & 0xff);
  if (known !== undefined) {
    const [code, reason, advice] = known;
    const told = stage === 'open' ? (whileOpening.get(reason) ?? code) : code;
    return new PaystreamError(told, `SQLite database ${path}: ${message}: ${advice}`, { reason, details, cause });
  }
  if (failure.code === 'ERR_INVALID_STATE') {
    return new PaystreamError('UNAVAILABLE', `SQLite database ${path} is closed`, { reason: 'CLOSED', details, cause });
  }
  const where = sql === undefined ? '' : `, in: ${sql}`;
  const code = isOfSchema(errcode, message, stage) ? 'UNAVAILABLE' : 'INTERNAL';
  const reason = message.startsWith('no such table') ? 'TABLE_NOT_FOUND' : 'STATEMENT_FAILED';
  return new PaystreamError(code, `SQLite database ${path}: ${message}${where}`, { reason, details, cause });
}
