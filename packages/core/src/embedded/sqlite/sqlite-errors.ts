import { type ErrorCode, PaystreamError } from '../../errors/paystream-error.ts';

/** Primary result codes. @see https://www.sqlite.org/rescode.html */
const primary = new Map<number, readonly [code: ErrorCode, reason: string, advice: string]>([
  [3, ['FAILED_PRECONDITION', 'DATABASE_NO_ACCESS', 'check the permissions of the file and its folder']],
  [5, ['UNAVAILABLE', 'DATABASE_BUSY', 'another connection holds its lock']],
  [6, ['UNAVAILABLE', 'DATABASE_BUSY', 'another connection holds its lock']],
  [7, ['UNAVAILABLE', 'OUT_OF_MEMORY', 'the process is out of memory']],
  [8, ['FAILED_PRECONDITION', 'DATABASE_READ_ONLY', 'the file or its folder cannot be written; check their permissions']],
  [10, ['UNAVAILABLE', 'DISK_ERROR', 'the disk failed to read or write; nothing of the transaction was stored']],
  [11, ['DATA_LOSS', 'DATABASE_CORRUPT', 'restore it from a backup']],
  [13, ['UNAVAILABLE', 'DISK_FULL', 'free some space; nothing of the transaction was stored']],
  [14, ['FAILED_PRECONDITION', 'DATABASE_CANNOT_OPEN', 'the folder must exist and be writable']],
  [18, ['INVALID_ARGUMENT', 'VALUE_TOO_LARGE', 'a value or the statement is larger than SQLite takes']],
  [19, ['FAILED_PRECONDITION', 'CONSTRAINT_VIOLATION', 'a row breaks a rule of its table']],
  [25, ['INTERNAL', 'WRONG_PARAMETERS', 'the statement has fewer ? than there are parameters']],
  [26, ['DATA_LOSS', 'DATABASE_CORRUPT', 'it is damaged, or something else: restore it from a backup']],
]);

/** Extended result codes for a key that is taken: UNIQUE, PRIMARYKEY, ROWID. */
const uniqueViolations: ReadonlySet<number> = new Set([2067, 1555, 2579]);

interface SqliteFailure {
  readonly code?: unknown;
  readonly errcode?: unknown;
  readonly message?: unknown;
}

/** Turns what `node:sqlite` throws into a `PaystreamError`. `what` is the file, or the statement. */
export function sqliteError(cause: unknown, path: string, sql?: string): PaystreamError {
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
    return new PaystreamError(code, `SQLite database ${path}: ${message}: ${advice}`, { reason, details, cause });
  }
  if (failure.code === 'ERR_INVALID_STATE') {
    return new PaystreamError('FAILED_PRECONDITION', `SQLite database ${path} is closed`, { reason: 'CLOSED', details, cause });
  }
  const where = sql === undefined ? '' : `, in: ${sql}`;
  return new PaystreamError('INTERNAL', `SQLite database ${path}: ${message}${where}`, { reason: 'STATEMENT_FAILED', details, cause });
}
