import { PaystreamError } from '../errors/paystream-error.ts';
import { type Failure, meaningOf } from './mysql-meanings.ts';

/** Reasons of `UNAVAILABLE` after which the same connection serves on. */
const connectionStays: ReadonlySet<string> = new Set([
  'DISK_FULL',
  'STATEMENT_INTERRUPTED',
  'STATEMENT_FAILED',
  'TABLE_NOT_FOUND',
  'DATABASE_NOT_FOUND',
  'DATABASE_NO_ACCESS',
]);

/** Whether nothing can be sent over the connection any more, or nothing should be. */
export function endsConnection(error: PaystreamError): boolean {
  // InnoDB has rolled the whole transaction back: what came after would be stored by itself.
  if (error.reason === 'LOCK_TABLE_FULL') return true;
  return error.code === 'UNAVAILABLE' && !connectionStays.has(error.reason);
}

/** Turns what the driver throws into a `PaystreamError`. `where` names the server and the user; `sql` has no values in it. */
export function mysqlError(cause: unknown, where: string, sql?: string): PaystreamError {
  if (PaystreamError.is(cause)) return cause;
  const failure: Failure & { sql?: unknown } = typeof cause === 'object' && cause !== null ? cause : { message: String(cause) };
  // The driver puts the statement there with all values in it, and whoever logs the cause would log them.
  if ('sql' in failure) failure.sql = sql;
  const message = String(failure.message) || String(failure.code);
  const details = {
    database: where,
    ...(sql === undefined ? {} : { sql }),
    ...(failure.code === undefined ? {} : { mysqlCode: String(failure.code) }),
  };
  const [code, reason, advice, retryable] = meaningOf(failure) ?? (['INTERNAL', 'STATEMENT_FAILED', ''] as const);
  const options = { reason, details, cause, ...(retryable === undefined ? {} : { retryable }) };
  if (reason === 'STATEMENT_FAILED') {
    const place = sql === undefined ? '' : `, in: ${sql}`;
    return new PaystreamError(code, `MySQL at ${where}: ${message}${place}`, options);
  }
  const text =
    reason === 'MYSQL_CONNECT_REFUSED' || reason === 'MYSQL_HOST_NOT_FOUND' ? `cannot reach MySQL at ${where}` : `MySQL at ${where}`;
  return new PaystreamError(code, `${text}: ${message}${advice === '' ? '' : `: ${advice}`}`, options);
}
