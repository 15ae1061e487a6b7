import { describe, expect, it } from 'vitest';
import { createConsumer } from '../consumer/consumer.ts';
import { contents, send, steps, within } from '../consumer/test-support.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { mysqlErrorOf } from './mysql-errors.ts';

/** An error as mysql2 and mariadb throw them. */
const ofDriver = (fields: object, message = 'what the server says'): Error => Object.assign(new Error(message), fields);

const refused = { code: 'ECONNREFUSED', errno: -111, syscall: 'connect', fatal: true };
const duplicate = { code: 'ER_DUP_ENTRY', errno: 1062, sqlState: '23000', sqlMessage: 'Duplicate entry', fatal: false };

/** As Prisma wraps what its driver adapter has of the driver. */
function ofPrisma(code: string, originalCode: string, state?: string): Error {
  const said = { originalCode, originalMessage: 'what the server says', kind: 'mysql', code: Number(originalCode), state };
  const adapter = Object.assign(new Error('what the server says', { cause: said }), { name: 'DriverAdapterError' });
  return Object.assign(new Error('Invalid `prisma.user.create()` invocation'), { code, meta: { driverAdapterError: adapter } });
}

const prismaAlone = (code: string, message = 'what Prisma says'): Error => Object.assign(new Error(message), { code, meta: {} });

describe('an error of a driver of the user’s own', () => {
  it.each<[string, unknown, string, string]>([
    ['mysql2: no server', ofDriver(refused), 'UNAVAILABLE', 'MYSQL_CONNECT_REFUSED'],
    [
      'mysql2: the connection was lost',
      ofDriver({ code: 'PROTOCOL_CONNECTION_LOST', fatal: true }),
      'UNAVAILABLE',
      'MYSQL_CONNECTION_LOST',
    ],
    [
      'mysql2: the connection was lost before',
      ofDriver({ fatal: true }, "Can't add new command when connection is in closed state"),
      'UNAVAILABLE',
      'MYSQL_CONNECTION_LOST',
    ],
    [
      'mysql2: no answer within the time limit of a query',
      ofDriver({ code: 'PROTOCOL_SEQUENCE_TIMEOUT', errorno: 'PROTOCOL_SEQUENCE_TIMEOUT' }, 'Query inactivity timeout'),
      'UNAVAILABLE',
      'MYSQL_STATEMENT_TIMEOUT',
    ],
    ['mysql2: the pool was closed before', new Error('Pool is closed.'), 'UNAVAILABLE', 'POOL_CLOSED'],
    ['mysql2: a pool that lets nobody wait', new Error('No connections available.'), 'UNAVAILABLE', 'POOL_EXHAUSTED'],
    ['mysql2: a pool in which too many wait', new Error('Queue limit reached.'), 'UNAVAILABLE', 'POOL_EXHAUSTED'],
    ['mariadb: the pool was closed before', ofDriver({ errno: 45027, sqlState: 'HY000' }), 'UNAVAILABLE', 'POOL_CLOSED'],
    ['mysql2: a row is locked', ofDriver({ errno: 1205, sqlState: 'HY000', fatal: false }), 'ABORTED', 'LOCK_TIMEOUT'],
    ['mysql2: a key is taken', ofDriver(duplicate), 'ALREADY_EXISTS', 'UNIQUE_VIOLATION'],
    ['Drizzle: no server', new Error('Failed query: begin', { cause: ofDriver(refused) }), 'UNAVAILABLE', 'MYSQL_CONNECT_REFUSED'],
    ['Drizzle: a key is taken', new Error('Failed query: insert', { cause: ofDriver(duplicate) }), 'ALREADY_EXISTS', 'UNIQUE_VIOLATION'],
    ['Prisma: no connection in time', ofPrisma('P2039', '45028', 'HY000'), 'UNAVAILABLE', 'MYSQL_CONNECT_REFUSED'],
    ['Prisma: the connection was lost', ofPrisma('P2010', '45013', '08S01'), 'UNAVAILABLE', 'MYSQL_CONNECTION_LOST'],
    ['Prisma: a row is locked', ofPrisma('P2039', '1205', 'HY000'), 'ABORTED', 'LOCK_TIMEOUT'],
    ['Prisma: a key is taken', ofPrisma('P2002', '1062'), 'ALREADY_EXISTS', 'UNIQUE_VIOLATION'],
    ['Prisma: a table is not there', ofPrisma('P2010', '1146'), 'UNAVAILABLE', 'TABLE_NOT_FOUND'],
    ['Prisma: a deadlock', prismaAlone('P2034'), 'ABORTED', 'DEADLOCK'],
    ['Prisma: no server', prismaAlone('P1001'), 'UNAVAILABLE', 'MYSQL_CONNECT_REFUSED'],
    ['Prisma: the server went away', prismaAlone('P1017'), 'UNAVAILABLE', 'MYSQL_CONNECTION_LOST'],
    [
      'Prisma: no transaction in time',
      prismaAlone('P2028', 'Transaction API error: Unable to start a transaction in the given time.'),
      'UNAVAILABLE',
      'MYSQL_CONNECT_TIMEOUT',
    ],
    [
      'Prisma: a transaction that waited for too long',
      prismaAlone('P2028', 'Transaction API error: A query cannot be executed on an expired transaction.'),
      'ABORTED',
      'LOCK_TIMEOUT',
    ],
  ])('%s', (_what, thrown, code, reason) => {
    const error = mysqlErrorOf(thrown);
    expect(error).toMatchObject({ code, reason, cause: thrown });
    expect(error.message).not.toMatch(/undefined|^MySQL: $/);
    // That speaks of settings and of transactions of ours.
    expect(error.message).not.toMatch(/poolSize|lockTimeoutMs|nothing of the transaction/);
  });

  it('is left as it is, with the statement and its values', () => {
    const thrown = ofDriver({ ...duplicate, sql: "INSERT INTO users VALUES ('ada')" });
    expect(mysqlErrorOf(thrown).message).not.toContain('ada');
    expect(thrown).toMatchObject({ sql: "INSERT INTO users VALUES ('ada')" });
  });
});

describe('what is no error of such a driver means what it always does', () => {
  const own = new PaystreamError('NOT_FOUND', 'no such user', { reason: 'NO_SUCH_USER' });
  const round = new Error('round');
  round.cause = round;
  it.each<[string, unknown, object]>([
    ['an error of Paystream’s', own, own],
    [
      'a call of somebody else who does not answer',
      new TypeError('fetch failed', { cause: { ...refused, fatal: undefined } }),
      { code: 'INTERNAL' },
    ],
    ['an error that goes round in circles', round, { code: 'INTERNAL' }],
    ['a text', 'no', { code: 'INTERNAL', message: 'no' }],
    ['nothing', undefined, { code: 'INTERNAL' }],
  ])('%s', (_what, thrown, expected) => {
    expect(mysqlErrorOf(thrown)).toMatchObject(expected);
  });
});

describe('a consumer whose handler uses a driver of its own', () => {
  it('waits for the server, if it is told what the driver’s errors mean, and gives no message up', async () => {
    await using world = await createTestWorld();
    let away = true;
    const handled: number[] = [];
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      errorOf: mysqlErrorOf,
      handler: async (step, { delivery }) => {
        if (away) throw ofDriver(refused);
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

  it('uses up attempts as ever where whoever tells what errors mean fails himself', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      errorOf: () => {
        throw new Error('who knows?');
      },
      handler: async () => {
        throw ofDriver(refused, 'no server');
      },
    });
    await send(world, 'a1');
    await world.advance({ minutes: 5 });
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toHaveLength(1);
  });

  it('is not asked what an error of Paystream’s means', async () => {
    await using world = await createTestWorld();
    const consumer = await createConsumer(world.broker, steps, {
      ...within(world),
      errorOf: () => new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' }),
      handler: async () => {
        throw new PaystreamError('NOT_FOUND', 'no such user', { reason: 'NO_SUCH_USER' });
      },
    });
    await send(world, 'a1');
    await world.advance({ seconds: 1 });
    expect(consumer.status.state).toBe('running');
    await consumer.close();
    expect(await contents(world, 'steps-test-dlq')).toHaveLength(1);
  });
});
