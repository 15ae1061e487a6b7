import { describe, expect, it } from 'vitest';
import { createConsumer } from '../consumer/consumer.ts';
import { contents, send, steps, within } from '../consumer/test-support.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { endsConnection, mysqlError } from './mysql-errors.ts';

interface Cause {
  readonly errno?: number;
  readonly code?: string;
  readonly sqlState?: string;
  readonly fatal?: boolean;
  readonly message?: string;
}

const told = (cause: Cause): ReturnType<typeof mysqlError> =>
  mysqlError(Object.assign(new Error('what the server says'), cause), 'db:3306 as "app"', 'UPDATE t SET a = ?');

/** What an operator, an administrator or another release does to a database under running services. */
const outages: readonly (readonly [what: string, cause: Cause, reason: string])[] = [
  ['the password was changed', { errno: 1045, sqlState: '28000' }, 'MYSQL_CREDENTIALS_REFUSED'],
  ['the password has expired', { errno: 1862, sqlState: 'HY000' }, 'MYSQL_CREDENTIALS_REFUSED'],
  ['the account is locked', { errno: 3118, sqlState: 'HY000' }, 'MYSQL_CREDENTIALS_REFUSED'],
  ['the login plugin fails', { code: 'AUTH_SWITCH_PLUGIN_ERROR', fatal: true }, 'MYSQL_CREDENTIALS_REFUSED'],
  ['the certificate of the server has expired', { code: 'HANDSHAKE_SSL_ERROR', fatal: true }, 'MYSQL_TLS_REFUSED'],
  ['the certificate has expired, as Node says it', { code: 'CERT_HAS_EXPIRED' }, 'MYSQL_TLS_REFUSED'],
  ['TLS was switched off', { code: 'HANDSHAKE_NO_SSL_SUPPORT', fatal: true }, 'MYSQL_NO_TLS'],
  ['TLS is wanted from now on', { errno: 3159, sqlState: 'HY000' }, 'MYSQL_TLS_REFUSED'],
  ['the database is being restored', { errno: 1049, sqlState: '42000' }, 'DATABASE_NOT_FOUND'],
  ['a table is being restored', { errno: 1146, sqlState: '42S02' }, 'TABLE_NOT_FOUND'],
  ['a right was revoked', { errno: 1142, sqlState: '42000' }, 'DATABASE_NO_ACCESS'],
  ['another release has not added the column yet', { errno: 1054, sqlState: '42S22' }, 'STATEMENT_FAILED'],
  ['another release has added a column without a default', { errno: 1364, sqlState: 'HY000' }, 'STATEMENT_FAILED'],
  ['another release has another number of columns', { errno: 1136, sqlState: '21S01' }, 'STATEMENT_FAILED'],
  ['another release has not made the function yet', { errno: 1305, sqlState: '42000' }, 'STATEMENT_FAILED'],
  ['another release has made the column one of others', { errno: 3105, sqlState: 'HY000' }, 'STATEMENT_FAILED'],
  ['another release has dropped what a view shows', { errno: 1356, sqlState: 'HY000' }, 'STATEMENT_FAILED'],
  ['Galera has no quorum', { errno: 1047, sqlState: '08S01' }, 'MYSQL_NOT_READY'],
  ['offline mode', { errno: 3032, sqlState: 'HY000' }, 'MYSQL_NOT_READY'],
  ['Group Replication has no majority', { errno: 3100, sqlState: 'HY000' }, 'MYSQL_NOT_READY'],
  ['a commit that the server could not make', { errno: 1180, sqlState: 'HY000' }, 'MYSQL_NOT_READY'],
  ['ProxySQL finds no server', { errno: 9001, sqlState: 'HY000' }, 'MYSQL_NOT_READY'],
  ['a proxy has lost its server', { errno: 2013, sqlState: 'HY000' }, 'MYSQL_NOT_READY'],
  ['a failover', { errno: 1290, sqlState: 'HY000' }, 'DATABASE_READ_ONLY'],
  ['the engine is read-only', { errno: 1036, sqlState: 'HY000' }, 'DATABASE_READ_ONLY'],
  ['the engine is being repaired', { errno: 1881, sqlState: 'HY000' }, 'DATABASE_READ_ONLY'],
  ['the database is read-only while it is moved', { errno: 3989, sqlState: 'HY000' }, 'DATABASE_READ_ONLY'],
  ['all undo slots are taken', { errno: 1637, sqlState: 'HY000' }, 'MYSQL_NOT_READY'],
  ['others have prepared too much', { errno: 1461, sqlState: '42000' }, 'MYSQL_NOT_READY'],
  ['a pool of the caller’s that lets nobody wait', { message: 'No connections available.' }, 'POOL_EXHAUSTED'],
  ['a pool of the caller’s in which too many wait', { message: 'Queue limit reached.' }, 'POOL_EXHAUSTED'],
  ['the disk is full: temporary files', { errno: 1021, sqlState: 'HY000' }, 'DISK_FULL'],
  ['the disk is full: a table', { errno: 1114, sqlState: 'HY000', message: "The table 'orders' is full" }, 'DISK_FULL'],
  ['the disk is full: the engine', { errno: 1030, message: "Got error 28 - 'No space left on device' from storage engine" }, 'DISK_ERROR'],
  ['a table is damaged', { errno: 1030, message: "Got error 127 - 'Record is crashed' from storage engine" }, 'DISK_ERROR'],
  ['the disk is full: a file', { errno: 1026, sqlState: 'HY000' }, 'DISK_ERROR'],
  ['the disk is full: a file, as the library says it', { errno: 3, sqlState: 'HY000' }, 'DISK_ERROR'],
  ['memory', { errno: 1041, sqlState: 'HY000' }, 'OUT_OF_MEMORY'],
  ['no way to the server', { code: 'ENETDOWN', errno: -100, fatal: true }, 'MYSQL_CONNECT_REFUSED'],
  ['no more files may be open', { code: 'EMFILE', errno: -24, fatal: true }, 'MYSQL_CONNECT_REFUSED'],
];

describe('a database that does not serve now', () => {
  it.each(outages)('%s: no event is given up for it', async (_what, cause, reason) => {
    expect(told(cause)).toMatchObject({ code: 'UNAVAILABLE', reason, retryable: true, details: { database: 'db:3306 as "app"' } });
    await using world = await createTestWorld();
    let away = true;
    const handled: number[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (step, { delivery }) => {
        if (away) throw told(cause);
        handled.push(step.n, delivery.attempt);
      },
    });
    await send(world, 'a1 b1 c1');
    await world.advance({ minutes: 5 });
    expect(consumer.status).toMatchObject({ state: 'paused' });
    away = false;
    await world.advance({ seconds: 6 });
    await consumer.close();
    expect(handled).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await contents(world, 'steps-test-dlq')).toEqual([]);
  });
});

describe('what may be due to one message', () => {
  it.each<[string, Cause, string, boolean]>([
    ['a list behind IN that is empty', { errno: 1064, sqlState: '42000' }, 'STATEMENT_FAILED', false],
    ['a trigger that says it is an outage', { errno: 1644, sqlState: '08S01' }, 'STATEMENT_FAILED', false],
    ['a trigger that says it lost', { errno: 1644, sqlState: '40001' }, 'STATEMENT_FAILED', false],
    ['a trigger that says a table is not there', { errno: 1644, sqlState: '42S02' }, 'STATEMENT_FAILED', false],
    ['two rows for one variable', { errno: 1172, sqlState: '42000' }, 'STATEMENT_FAILED', false],
    ['a recursion without an end', { errno: 3636, sqlState: 'HY000' }, 'STATEMENT_FAILED', false],
    ['a procedure that calls itself too often', { errno: 1456, sqlState: 'HY000' }, 'STATEMENT_FAILED', false],
    ['an expression nested too deep', { errno: 1436, sqlState: 'HY000' }, 'STATEMENT_FAILED', false],
    ['a list that GROUP_CONCAT cuts', { errno: 1260, sqlState: 'HY000' }, 'STATEMENT_FAILED', false],
    ['a time zone that is none', { errno: 1298, sqlState: 'HY000' }, 'STATEMENT_FAILED', false],
    ['a place in no reference system', { errno: 3548, sqlState: 'SR001' }, 'STATEMENT_FAILED', false],
    ['a name of a lock that is none', { errno: 3057, sqlState: '42000' }, 'STATEMENT_FAILED', false],
    ['a deadlock of locks with names', { errno: 3058, sqlState: 'HY000' }, 'STATEMENT_FAILED', false],
    ['more rows than a statement may look at', { errno: 1104, sqlState: '42000' }, 'STATEMENT_FAILED', false],
    ['a row too large, as an engine says it', { errno: 1030, message: 'Got error 139 "Too big row"' }, 'STATEMENT_FAILED', false],
    ['an error of an engine without a number', { errno: 1030, message: 'Got an error' }, 'STATEMENT_FAILED', false],
    ['what nobody has heard of', { errno: 3999, sqlState: 'HY000' }, 'STATEMENT_FAILED', false],
    ['an error that the server does not know', { errno: 1105, sqlState: 'HY000' }, 'STATEMENT_FAILED', true],
    ['rows too large to be sorted', { errno: 1038, sqlState: 'HY001' }, 'OUT_OF_MEMORY', true],
    ['too many rows to be locked', { errno: 1206, sqlState: 'HY000' }, 'LOCK_TABLE_FULL', true],
    ['too many rows for MySQL', { errno: 3024, sqlState: 'HY000' }, 'STATEMENT_INTERRUPTED', true],
    ['too many rows for MariaDB', { errno: 1969, sqlState: '70100' }, 'STATEMENT_INTERRUPTED', true],
    ['too much for a temporary table', { errno: 1114, message: "The table '/tmp/#sql1_2_0' is full" }, 'TEMPORARY_TABLE_FULL', true],
    ['too much for one of MariaDB', { errno: 1114, message: "The table '(temporary)' is full" }, 'TEMPORARY_TABLE_FULL', true],
  ])('%s: it is tried five times and goes to the dead-letter topic, and others go on', async (_what, cause, reason, retryable) => {
    expect(told(cause)).toMatchObject({ code: 'INTERNAL', reason, retryable });
    await using world = await createTestWorld();
    const handled: string[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async (step) => {
        handled.push(step.key);
        if (step.key === 'a') throw told(cause);
      },
    });
    await send(world, 'a1 b1');
    await world.advance({ minutes: 5 });
    expect(consumer.status).toMatchObject({ state: 'running' });
    await consumer.close();
    expect(handled.toSorted().join('')).toBe('aaaaab');
    expect(await contents(world, 'steps-test-dlq')).toHaveLength(1);
  });
});

describe('a value that no database takes', () => {
  it.each<[string, Cause, string, string]>([
    ['longer than its column', { errno: 1406, sqlState: '22001' }, 'INVALID_ARGUMENT', 'VALUE_TOO_LARGE'],
    ['larger than a proxy passes on', { errno: 2020, sqlState: 'HY000' }, 'INVALID_ARGUMENT', 'VALUE_TOO_LARGE'],
    ['a row too large for a page', { errno: 1118, sqlState: '42000' }, 'INVALID_ARGUMENT', 'VALUE_TOO_LARGE'],
    ['no number', { errno: 1366, sqlState: 'HY000' }, 'INVALID_ARGUMENT', 'VALUE_REFUSED'],
    ['no character of the column', { errno: 3988, sqlState: 'HY000' }, 'INVALID_ARGUMENT', 'VALUE_REFUSED'],
    ['no JSON', { errno: 3140, sqlState: '22032' }, 'INVALID_ARGUMENT', 'VALUE_REFUSED'],
    ['no pattern', { errno: 3692, sqlState: 'HY000' }, 'INVALID_ARGUMENT', 'VALUE_REFUSED'],
    ['one of a class of data errors that nobody has listed', { errno: 3999, sqlState: '22ABC' }, 'INVALID_ARGUMENT', 'VALUE_REFUSED'],
    ['null where none may be', { errno: 1048, sqlState: '23000' }, 'FAILED_PRECONDITION', 'CONSTRAINT_VIOLATION'],
    ['one of a class of constraints', { errno: 3999, sqlState: '23ABC' }, 'FAILED_PRECONDITION', 'CONSTRAINT_VIOLATION'],
    ['refused by a check', { errno: 3819, sqlState: 'HY000' }, 'FAILED_PRECONDITION', 'CONSTRAINT_VIOLATION'],
    ['a key that is taken', { errno: 1062, sqlState: '23000' }, 'ALREADY_EXISTS', 'UNIQUE_VIOLATION'],
    ['refused by a trigger of the user', { errno: 1644, sqlState: '45000' }, 'INTERNAL', 'STATEMENT_FAILED'],
    ['refused by a trigger, with a state of another kind', { errno: 1644, sqlState: '08001' }, 'INTERNAL', 'STATEMENT_FAILED'],
    ['of which there are none, in a list', { errno: 1064, sqlState: '42000' }, 'INTERNAL', 'STATEMENT_FAILED'],
    ['that a proxy does not like', { errno: 1105, sqlState: 'HY000' }, 'INTERNAL', 'STATEMENT_FAILED'],
    ['too large to sort', { errno: 1038, sqlState: 'HY001' }, 'INTERNAL', 'OUT_OF_MEMORY'],
    ['that locks too many rows', { errno: 1206, sqlState: 'HY000' }, 'INTERNAL', 'LOCK_TABLE_FULL'],
    ['that takes too long to look for', { errno: 3024, sqlState: 'HY000' }, 'INTERNAL', 'STATEMENT_INTERRUPTED'],
    ['at which something goes wrong that nobody has heard of', { errno: 3999, sqlState: 'HY000' }, 'INTERNAL', 'STATEMENT_FAILED'],
    ['that a subquery finds twice', { errno: 1242, sqlState: '21000' }, 'INTERNAL', 'STATEMENT_FAILED'],
  ])('%s: the message goes to the dead-letter topic', async (_what, cause, code, reason) => {
    expect(told(cause)).toMatchObject({ code, reason });
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      handler: async () => {
        throw told(cause);
      },
    });
    await send(world, 'a1');
    await world.advance({ minutes: 1 });
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toHaveLength(1);
  });
});

describe('a transaction that lost against another', () => {
  it.each<[string, Cause, string]>([
    ['it waited in vain', { errno: 1205, sqlState: 'HY000' }, 'LOCK_TIMEOUT'],
    ['they waited for each other', { errno: 1213, sqlState: '40001' }, 'DEADLOCK'],
    ['on another server of the group', { errno: 3101, sqlState: '40000' }, 'TRANSACTION_CONFLICT'],
    ['its table was changed', { errno: 1412, sqlState: 'HY000' }, 'TABLE_CHANGED'],
    ['in a way that nobody has listed', { errno: 3999, sqlState: '40ABC' }, 'TRANSACTION_CONFLICT'],
  ])('%s: may be run again', (_what, cause, reason) => {
    expect(told(cause)).toMatchObject({ code: 'ABORTED', reason });
  });
});

it('a connection is given up where the server is not fit, and kept where the statement was not', () => {
  for (const errno of [1047, 3032, 3100, 1206, 1290, 9001]) expect(endsConnection(told({ errno }))).toBe(true);
  for (const errno of [1054, 1064, 1146, 1142, 1021, 1038, 1062, 1105, 1205, 3024]) expect(endsConnection(told({ errno }))).toBe(false);
});
