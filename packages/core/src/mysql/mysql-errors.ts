import { PaystreamError } from '../errors/paystream-error.ts';
import { driverFailure } from './driver-failure.ts';
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

/** Of whom an error tells. */
interface Origin {
  /** Names the server and the user; `undefined` for a driver that is not ours. */
  readonly where: string | undefined;
  /** Has no values in it. */
  readonly sql: string | undefined;
  readonly cause: unknown;
}

/** The error that a failure means. */
function errorOf(failure: Failure, { where, sql, cause }: Origin): PaystreamError {
  const message = String(failure.message) || String(failure.code);
  const server = where === undefined ? 'MySQL' : `MySQL at ${where}`;
  const details = {
    ...(where === undefined ? {} : { database: where }),
    ...(sql === undefined ? {} : { sql }),
    ...(failure.code === undefined ? {} : { mysqlCode: String(failure.code) }),
  };
  const [code, reason, advice, retryable] = meaningOf(failure) ?? (['INTERNAL', 'STATEMENT_FAILED', ''] as const);
  const options = { reason, details, cause, ...(retryable === undefined ? {} : { retryable }) };
  if (reason === 'STATEMENT_FAILED') {
    const place = sql === undefined ? '' : `, in: ${sql}`;
    return new PaystreamError(code, `${server}: ${message}${place}`, options);
  }
  const text = reason === 'MYSQL_CONNECT_REFUSED' || reason === 'MYSQL_HOST_NOT_FOUND' ? `cannot reach ${server}` : server;
  // Advice speaks of our settings, and of transactions of which we would know whether they were stored.
  return new PaystreamError(code, `${text}: ${message}${advice === '' || where === undefined ? '' : `: ${advice}`}`, options);
}

/** Turns what the driver throws into a `PaystreamError`. `where` names the server and the user; `sql` has no values in it. */
export function mysqlError(cause: unknown, where: string, sql?: string): PaystreamError {
  if (PaystreamError.is(cause)) return cause;
  const failure: Failure & { sql?: unknown } = typeof cause === 'object' && cause !== null ? cause : { message: String(cause) };
  // The driver puts the statement there with all values in it, and whoever logs the cause would log them.
  if ('sql' in failure) failure.sql = sql;
  return errorOf(failure, { where, sql, cause });
}

/**
 * What an error of your own MySQL driver means: of mysql2, of mariadb, or of Kysely, Drizzle and Prisma on them. A consumer with it as
 * its `errorOf` waits for a server that is away, and for a row that is locked, instead of using up the attempts of its messages.
 *
 * `UNAVAILABLE` says nothing of what was stored: a connection can be lost while it commits. The message comes again, and what it did
 * must not be done twice, which is what an inbox is for.
 *
 * Gives a `PaystreamError` with the codes and reasons of `createMysqlDatabase`; for all else what `PaystreamError.from` gives, for
 * failed network calls to others too.
 *
 * @example
 * await createConsumer(broker, signUps, {
 *   subscription: 'welcome-mail',
 *   errorOf: mysqlErrorOf,
 *   handler: (user, { delivery }) =>
 *     db.transaction(async (tx) => {
 *       if (await inbox.once(fromDrizzle(tx), 'welcome-mail', delivery.eventId)) await tx.insert(mails).values(user);
 *     }),
 * });
 */
export function mysqlErrorOf(thrown: unknown): PaystreamError {
  const failure = PaystreamError.is(thrown) ? undefined : driverFailure(thrown);
  return failure === undefined ? PaystreamError.from(thrown) : errorOf(failure, { where: undefined, sql: undefined, cause: thrown });
}
