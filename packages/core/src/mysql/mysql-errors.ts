import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';

type Meaning = readonly [code: ErrorCode, reason: string, advice: string];

const unreachable = 'is the server up and the address right?';
const overloaded = 'the server has no room for more connections: lower poolSize or raise max_connections';
const lost = 'the connection was lost; nothing of the transaction was stored';
const readOnly: Meaning = ['UNAVAILABLE', 'DATABASE_READ_ONLY', 'the server takes no writes now, as during a failover'];
const denied: Meaning = ['PERMISSION_DENIED', 'DATABASE_NO_ACCESS', 'the user lacks the right; grant it'];
const refusedValue: Meaning = ['INVALID_ARGUMENT', 'VALUE_REFUSED', 'the value does not fit its column'];
const tooLarge: Meaning = ['INVALID_ARGUMENT', 'VALUE_TOO_LARGE', 'the value or the statement is larger than the server takes'];
const constraint: Meaning = ['FAILED_PRECONDITION', 'CONSTRAINT_VIOLATION', 'a row breaks a rule of its table'];
const unique: Meaning = ['ALREADY_EXISTS', 'UNIQUE_VIOLATION', ''];
const full: Meaning = ['UNAVAILABLE', 'DISK_FULL', 'free some space; nothing of the transaction was stored'];
const interrupted: Meaning = ['UNAVAILABLE', 'STATEMENT_INTERRUPTED', 'somebody or a limit of the server ended it'];
const ending: Meaning = ['UNAVAILABLE', 'MYSQL_CONNECTION_LOST', lost];

/** Numbers of the server's errors. @see https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html */
const byNumber = new Map<number, Meaning>([
  [1021, full],
  [1114, full],
  [1022, unique],
  [1062, unique],
  [1586, unique],
  [1205, ['ABORTED', 'LOCK_TIMEOUT', 'another transaction held a row for longer than lockTimeoutMs']],
  [1213, ['ABORTED', 'DEADLOCK', 'it and another transaction waited for each other']],
  [1020, ['ABORTED', 'ROW_CHANGED', 'another transaction changed the row']],
  [1045, ['UNAUTHENTICATED', 'MYSQL_CREDENTIALS_REFUSED', 'check user and password']],
  [1698, ['UNAUTHENTICATED', 'MYSQL_CREDENTIALS_REFUSED', 'check user and password']],
  [1044, denied],
  [1142, denied],
  [1143, denied],
  [1227, denied],
  [1370, denied],
  [1049, ['FAILED_PRECONDITION', 'DATABASE_NOT_FOUND', 'create it, or correct the name in the URL']],
  [1146, ['FAILED_PRECONDITION', 'TABLE_NOT_FOUND', 'apply the migrations, or check tablePrefix']],
  [1153, tooLarge],
  [1301, tooLarge],
  [1406, tooLarge],
  [1264, refusedValue],
  [1265, refusedValue],
  [1292, refusedValue],
  [1366, refusedValue],
  [1690, refusedValue],
  [3140, refusedValue],
  [1048, constraint],
  [1216, constraint],
  [1217, constraint],
  [1364, constraint],
  [1451, constraint],
  [1452, constraint],
  [1526, constraint],
  [1557, constraint],
  [1761, constraint],
  [1762, constraint],
  [3819, constraint],
  [4025, constraint],
  [1290, readOnly],
  [1792, readOnly],
  [1836, readOnly],
  [1040, ['UNAVAILABLE', 'MYSQL_TOO_MANY_CONNECTIONS', overloaded]],
  [1129, ['UNAVAILABLE', 'MYSQL_HOST_BLOCKED', 'too many connections of this host failed: run FLUSH HOSTS on the server']],
  [1203, ['UNAVAILABLE', 'MYSQL_TOO_MANY_CONNECTIONS', overloaded]],
  [1226, ['UNAVAILABLE', 'MYSQL_TOO_MANY_CONNECTIONS', overloaded]],
  [1053, ending],
  [1077, ending],
  [1079, ending],
  [1152, ending],
  [1158, ending],
  [1159, ending],
  [1160, ending],
  [1161, ending],
  [1184, ending],
  [1927, ending],
  [4031, ending],
  [1317, interrupted],
  [1969, interrupted],
  [3024, interrupted],
]);

/** Codes of the driver and of the system. */
const byCode = new Map<string, Meaning>([
  ['ECONNREFUSED', ['UNAVAILABLE', 'MYSQL_CONNECT_REFUSED', unreachable]],
  ['ENOTFOUND', ['UNAVAILABLE', 'MYSQL_HOST_NOT_FOUND', 'no such host']],
  ['EAI_AGAIN', ['UNAVAILABLE', 'MYSQL_HOST_NOT_FOUND', 'the name server does not answer']],
  ['ETIMEDOUT', ['UNAVAILABLE', 'MYSQL_CONNECT_TIMEOUT', unreachable]],
  ['EHOSTUNREACH', ['UNAVAILABLE', 'MYSQL_CONNECT_REFUSED', unreachable]],
  ['ENETUNREACH', ['UNAVAILABLE', 'MYSQL_CONNECT_REFUSED', unreachable]],
  ['ENOENT', ['UNAVAILABLE', 'MYSQL_CONNECT_REFUSED', unreachable]],
  ['ECONNRESET', ending],
  ['EPIPE', ending],
  ['PROTOCOL_CONNECTION_LOST', ending],
  ['PROTOCOL_SEQUENCE_TIMEOUT', ['UNAVAILABLE', 'MYSQL_STATEMENT_TIMEOUT', 'the server did not answer within statementTimeoutMs']],
  ['HANDSHAKE_NO_SSL_SUPPORT', ['FAILED_PRECONDITION', 'MYSQL_NO_TLS', 'the server speaks no TLS: set it up there, or leave tls out']],
  ['HANDSHAKE_SSL_ERROR', ['FAILED_PRECONDITION', 'MYSQL_TLS_REFUSED', 'check the certificates, and the name that they are for']],
]);

interface Failure {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly message?: unknown;
  readonly fatal?: unknown;
}

function meaningOf({ code, errno, message }: Failure): Meaning | undefined {
  // Numbers of the system are negative.
  if (typeof errno === 'number' && errno > 0) return byNumber.get(errno);
  if (typeof code === 'string') {
    if (code.startsWith('ERR_TLS') || code.startsWith('CERT_') || code.includes('_CERT') || code.startsWith('ERR_SSL')) {
      return byCode.get('HANDSHAKE_SSL_ERROR');
    }
    return byCode.get(code);
  }
  if (typeof message === 'string' && /closed state|is closed/i.test(message)) return ending;
  return undefined;
}

/** Whether nothing can be sent over the connection any more, or nothing should be. */
export function endsConnection(error: PaystreamError): boolean {
  return error.code === 'UNAVAILABLE' && error.reason !== 'DISK_FULL' && error.reason !== 'STATEMENT_INTERRUPTED';
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
  const meaning = meaningOf(failure) ?? (failure.fatal === true ? ending : undefined);
  if (meaning === undefined) {
    const place = sql === undefined ? '' : `, in: ${sql}`;
    return new PaystreamError('INTERNAL', `MySQL at ${where}: ${message}${place}`, { reason: 'STATEMENT_FAILED', details, cause });
  }
  const [code, reason, advice] = meaning;
  const text =
    reason === 'MYSQL_CONNECT_REFUSED' || reason === 'MYSQL_HOST_NOT_FOUND' ? `cannot reach MySQL at ${where}` : `MySQL at ${where}`;
  return new PaystreamError(code, `${text}: ${message}${advice === '' ? '' : `: ${advice}`}`, { reason, details, cause });
}
