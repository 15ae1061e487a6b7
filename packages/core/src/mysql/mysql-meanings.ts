import type { ErrorCode } from '../errors/paystream-error.ts';

/** What an error of the server or the driver means to a user of the port. `retryable`: where the code alone does not say so. */
export type Meaning = readonly [code: ErrorCode, reason: string, advice: string, retryable?: true];

/*
 * A consumer pauses at UNAVAILABLE, for as long as it lasts, and gives up what fails otherwise. So UNAVAILABLE is what is known to
 * hold for every message: that the server is away or not fit, that it does not let us in, that its schema is of another release.
 * All else may hold for one message alone: how long a list behind IN is, what somebody wrote into a full-text search, how many
 * rows are sorted, what a trigger says. That, and whatever is not listed here, is INTERNAL: it is tried again, and then given up.
 */

const unreachable: Meaning = ['UNAVAILABLE', 'MYSQL_CONNECT_REFUSED', 'is the server up and the address right?'];
const lost: Meaning = ['UNAVAILABLE', 'MYSQL_CONNECTION_LOST', 'the connection was lost; nothing of the transaction was stored'];
const overloaded: Meaning = [
  'UNAVAILABLE',
  'MYSQL_TOO_MANY_CONNECTIONS',
  'the server has no room for more connections: lower poolSize or raise max_connections',
];
const poolClosed: Meaning = ['UNAVAILABLE', 'POOL_CLOSED', 'the pool was ended before what works on it: close that first'];
const exhausted: Meaning = [
  'UNAVAILABLE',
  'POOL_EXHAUSTED',
  'all its connections are in use: raise its connectionLimit, or let callers wait',
];
const readOnly: Meaning = ['UNAVAILABLE', 'DATABASE_READ_ONLY', 'the server takes no writes now, as during a failover'];
const notReady: Meaning = ['UNAVAILABLE', 'MYSQL_NOT_READY', 'the server, its cluster or the proxy before it takes no work now'];
const refused: Meaning = ['UNAVAILABLE', 'MYSQL_CREDENTIALS_REFUSED', 'check user and password'];
const noTls: Meaning = ['UNAVAILABLE', 'MYSQL_NO_TLS', 'the server speaks no TLS: set it up there, or leave tls out'];
const tlsRefused: Meaning = ['UNAVAILABLE', 'MYSQL_TLS_REFUSED', 'check the certificates, and the name that they are for'];
const tlsRequired: Meaning = ['UNAVAILABLE', 'MYSQL_TLS_REFUSED', 'the server wants TLS: set tls'];
const denied: Meaning = ['UNAVAILABLE', 'DATABASE_NO_ACCESS', 'the user lacks the right; grant it'];
const noDatabase: Meaning = ['UNAVAILABLE', 'DATABASE_NOT_FOUND', 'create it, or correct the name in the URL'];
const noTable: Meaning = ['UNAVAILABLE', 'TABLE_NOT_FOUND', 'apply the migrations, or check tablePrefix'];
const full: Meaning = ['UNAVAILABLE', 'DISK_FULL', 'free some space; nothing of the transaction was stored'];
const storage: Meaning = ['UNAVAILABLE', 'DISK_ERROR', 'the server cannot read or write its files: look at its disk and its log'];
const memory: Meaning = ['UNAVAILABLE', 'OUT_OF_MEMORY', 'the server is out of memory'];
const interrupted: Meaning = ['UNAVAILABLE', 'STATEMENT_INTERRUPTED', 'somebody ended it'];
/** Names do not come from values: the schema is of another release. */
const schema: Meaning = ['UNAVAILABLE', 'STATEMENT_FAILED', ''];

// The server may be busy, or this one statement too much for it: only attempts tell.
const sortMemory: Meaning = ['INTERNAL', 'OUT_OF_MEMORY', 'what it sorts does not fit: raise sort_buffer_size', true];
const temporaryFull: Meaning = ['INTERNAL', 'TEMPORARY_TABLE_FULL', 'what it puts together has no room: raise tmp_table_size', true];
const locksFull: Meaning = ['INTERNAL', 'LOCK_TABLE_FULL', 'the server has no room for more locks: raise innodb_buffer_pool_size', true];
const tooSlow: Meaning = ['INTERNAL', 'STATEMENT_INTERRUPTED', 'it took longer than a limit of the server', true];
const unknown: Meaning = ['INTERNAL', 'STATEMENT_FAILED', '', true];

/** What a trigger or a procedure of the user says, whatever SQLSTATE it takes for that. */
const raised: Meaning = ['INTERNAL', 'STATEMENT_FAILED', ''];

const lockTimeout: Meaning = ['ABORTED', 'LOCK_TIMEOUT', 'somebody else held a row, or the table, for too long'];
const deadlock: Meaning = ['ABORTED', 'DEADLOCK', 'it and another transaction waited for each other'];
const conflict: Meaning = ['ABORTED', 'TRANSACTION_CONFLICT', 'it and a transaction on another server changed the same rows'];
const rowChanged: Meaning = ['ABORTED', 'ROW_CHANGED', 'another transaction changed the row'];
const tableChanged: Meaning = ['ABORTED', 'TABLE_CHANGED', 'its table was changed meanwhile'];

const refusedValue: Meaning = ['INVALID_ARGUMENT', 'VALUE_REFUSED', 'the value does not fit its column'];
const tooLarge: Meaning = ['INVALID_ARGUMENT', 'VALUE_TOO_LARGE', 'the value or the statement is larger than the server takes'];
const constraint: Meaning = ['FAILED_PRECONDITION', 'CONSTRAINT_VIOLATION', 'a row breaks a rule of its table'];
const unique: Meaning = ['ALREADY_EXISTS', 'UNIQUE_VIOLATION', ''];

const numbered: readonly (readonly [meaning: Meaning, numbers: readonly number[]])[] = [
  [unique, [1022, 1062, 1169, 1586, 1859]],
  [constraint, [1048, 1216, 1217, 1451, 1452, 1526, 1557, 1591, 1748, 1761, 1762, 3819, 4025]],
  // The last as a proxy passes it on.
  [tooLarge, [1118, 1153, 1162, 1301, 1406, 2020]],
  // Those of them that the class of the SQLSTATE does not tell: conversions, patterns, paths, indexes over JSON.
  [refusedValue, [1139, 1210, 1264, 1265, 1292, 1300, 1366, 1411, 1525, 1690, 1977, 3140, 3143, 3149, 3150, 3151, 3152, 3153, 3154]],
  [refusedValue, [3165, 3685, 3686, 3687, 3688, 3689, 3690, 3691, 3692, 3693, 3694, 3695, 3696, 3697, 3698, 3699, 3700, 3854]],
  [refusedValue, [3905, 3906, 3988]],
  [lockTimeout, [1205, 3572]],
  [deadlock, [1213]],
  [conflict, [3101]],
  [rowChanged, [1020]],
  [tableChanged, [1412, 1615]],
  [refused, [1045, 1131, 1132, 1251, 1275, 1524, 1698, 1820, 1862, 3118, 4151]],
  [tlsRequired, [3159]],
  [denied, [1044, 1142, 1143, 1227, 1370, 1449]],
  [noDatabase, [1046, 1049]],
  [noTable, [1146, 1932]],
  // Tables, columns and how many there are, columns without a default, or made of others; indexes, views, partitions.
  [schema, [1051, 1052, 1054, 1109, 1136, 1176, 1191, 1222, 1288, 1347, 1356, 1364, 1471, 1735, 1906, 3105]],
  // Routines, and how many parameters they have.
  [schema, [1128, 1305, 1318, 1630]],
  [full, [1021]],
  [storage, [1016, 1017, 1023, 1024, 1025, 1026, 1034, 1194, 1195, 1712, 1812, 1813, 1814, 1878, 3185]],
  [memory, [1037, 1041, 1135]],
  [sortMemory, [1038]],
  [locksFull, [1206]],
  [raised, [1644]],
  [unknown, [1105]],
  // The last three: the engine; while it is being repaired; a database that is being moved.
  [readOnly, [1290, 1792, 1836, 1874, 1036, 1881, 3989]],
  // No room for more transactions or prepared statements.
  [notReady, [1637, 1461]],
  // Galera; offline mode; Group Replication; a commit that the engine or the binary log refused; a binary log that takes no rows.
  [notReady, [1047, 3032, 3168, 3098, 3100, 3796, 3797, 3798, 3799, 1180, 1598, 1665]],
  [overloaded, [1040, 1203, 1226]],
  [
    [
      'UNAVAILABLE',
      'MYSQL_HOST_BLOCKED',
      'too many connections of this host failed: empty performance_schema.host_cache on the server (MariaDB: FLUSH HOSTS)',
    ],
    [1129],
  ],
  [lost, [1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031]],
  // Those that the MariaDB connector gives to its own errors, for who brings it along.
  [lost, [45001, 45004, 45009, 45013, 45019, 45026, 45035, 45037, 45042]],
  [poolClosed, [45027]],
  [unreachable, [45012, 45028]],
  [interrupted, [1317]],
  [tooSlow, [1969, 3024]],
];

/** Numbers of the server's errors. @see https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html */
const byNumber: ReadonlyMap<number, Meaning> = new Map(numbered.flatMap(([meaning, numbers]) => numbers.map((one) => [one, meaning])));

/** Classes of SQLSTATE, its first two characters, that mean the same whatever the number. */
const byClass: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['08', lost],
  ['22', refusedValue],
  ['23', constraint],
  ['28', refused],
  ['3D', noDatabase],
  ['40', conflict],
]);

/** A table that is full is so for every message; one that the server makes for a statement, for what that statement puts together. */
const tableFull = 1114;
/** By its name, which stands in the server's words in any language. */
const ofTemporary = /#sql|\(temporary\)/i;

/** "Got error 28 from storage engine": an error of the operating system, or one of the engine's own. */
const ofEngine = 1030;
/** Its numbers for files that are damaged or full. Others, such as 139 for a row that is too large, may be due to a value. */
const engineUnfit: ReadonlySet<number> = new Set([126, 127, 135, 136, 144, 145]);
const firstEngineNumber = 120;

function byWords(errno: number, words: string): Meaning | undefined {
  if (errno === tableFull) return ofTemporary.test(words) ? temporaryFull : full;
  if (errno !== ofEngine) return undefined;
  const number = Number(/\d+/.exec(words)?.[0]);
  return number < firstEngineNumber || engineUnfit.has(number) ? storage : undefined;
}

/** Codes of the driver and of the system. */
const byCode: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  ['ENOTFOUND', ['UNAVAILABLE', 'MYSQL_HOST_NOT_FOUND', 'no such host']],
  ['EAI_AGAIN', ['UNAVAILABLE', 'MYSQL_HOST_NOT_FOUND', 'the name server does not answer']],
  ['ETIMEDOUT', ['UNAVAILABLE', 'MYSQL_CONNECT_TIMEOUT', unreachable[2]]],
  ['ECONNRESET', lost],
  ['ECONNABORTED', lost],
  ['EPIPE', lost],
  ['PROTOCOL_SEQUENCE_TIMEOUT', ['UNAVAILABLE', 'MYSQL_STATEMENT_TIMEOUT', 'the server did not answer within statementTimeoutMs']],
  ['HANDSHAKE_NO_SSL_SUPPORT', noTls],
  ['HANDSHAKE_SSL_ERROR', tlsRefused],
  ['AUTH_SWITCH_PLUGIN_ERROR', refused],
]);

const ofTls = /^(?:ERR_TLS|ERR_SSL|ERR_OSSL|CERT_|UNABLE_TO_)|_CERT|^EPROTO$/;
const ofSystem = /^E[A-Z]+$/;

function byServer(errno: number, sqlState: unknown, message: unknown): Meaning | undefined {
  const known = byNumber.get(errno) ?? byWords(errno, String(message));
  if (known !== undefined) return known;
  // Of the server's own files and memory; of a client's connection, as proxies pass it on; of proxies.
  if (errno < 1_000) return storage;
  if ((errno >= 2_000 && errno < 2_100) || (errno >= 9_000 && errno < 10_000)) return notReady;
  return typeof sqlState === 'string' ? byClass.get(sqlState.replace(/^#/, '').slice(0, 2)) : undefined;
}

function byDriver(code: string): Meaning | undefined {
  const known = byCode.get(code);
  if (known !== undefined) return known;
  if (ofTls.test(code)) return tlsRefused;
  if (code.startsWith('PROTOCOL_')) return lost;
  return ofSystem.test(code) ? unreachable : undefined;
}

/** What the driver's pool says of itself, without a code. */
export const saidByPool: RegExp = /^(?:Pool is closed|No connections available|Queue limit reached)\.$/;

/** What is thrown by the driver, as far as it is looked at. */
export interface Failure {
  readonly code?: unknown;
  readonly errno?: unknown;
  readonly sqlState?: unknown;
  readonly message?: unknown;
  readonly fatal?: unknown;
}

/** What a failure means; `undefined` where nobody knows, and it may be due to one message. */
export function meaningOf({ code, errno, sqlState, message, fatal }: Failure): Meaning | undefined {
  // Numbers of the system are negative.
  if (typeof errno === 'number' && errno > 0) return byServer(errno, sqlState, message);
  const meaning = typeof code === 'string' ? byDriver(code) : undefined;
  if (meaning !== undefined) return meaning;
  if (fatal === true) return lost;
  if (typeof message !== 'string') return undefined;
  if (message === 'Pool is closed.') return poolClosed;
  if (/closed state|is closed/i.test(message)) return lost;
  return saidByPool.test(message) ? exhausted : undefined;
}
