import { createPool, type Pool, type PoolConnection, type QueryOptions } from 'mysql2';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createSession, type Session, type SessionFacts } from './connection.ts';
import { driverOptions } from './driver-options.ts';
import { mysqlError } from './mysql-errors.ts';
import type { MysqlDatabaseOptions } from './options.ts';
import { checkForeignSession, prepareOwnSession } from './session-setup.ts';

/** Connections, ours or the caller's. */
export interface Sessions {
  /** The server and the user, for messages. */
  readonly where: string;
  /** Waits for a connection that is free. Its statements time out after `timeoutMs`, or not at all with 0. */
  acquire(timeoutMs?: number): Promise<Session>;
  /** Ends the connections if they are ours. */
  close(): Promise<void>;
}

/**
 * A connection of ours that lay idle for longer, in milliseconds, is replaced. Firewalls and load balancers drop what is idle,
 * mostly without a word: whoever sent something over it would wait until the statement timed out.
 */
const maxIdleMs = 45_000;

const exactValues: QueryOptions['typeCast'] = (field, next) => {
  if (field.type === 'JSON') return field.string('utf8');
  return field.type === 'NEWDECIMAL' || field.type === 'DECIMAL' ? field.string('ascii') : next();
};

function openPool(options: MysqlDatabaseOptions): { readonly pool: Pool; readonly where: string; readonly own: boolean } {
  if ('pool' in options) {
    const pool = 'promise' in options.pool ? options.pool : options.pool.pool;
    const { connectionConfig } = pool.config as {
      readonly connectionConfig?: { readonly host?: string; readonly port?: number; user?: string };
    };
    const { host = '?', port = '?', user = '?' } = connectionConfig ?? {};
    return { pool, where: `${host}:${port} as "${user}"`, own: false };
  }
  const { pool, where } = driverOptions(options);
  return { pool: createPool(pool), where, own: true };
}

/** Makes or takes a pool. Nothing connects before the first `acquire`. */
export function createSessions(options: MysqlDatabaseOptions): Sessions {
  const { pool, where, own } = openPool(options);
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000;
  const lockTimeoutMs = 'pool' in options ? 0 : (options.lockTimeoutMs ?? 5_000);
  const clock = options.clock ?? systemClock;
  const known = new WeakMap<PoolConnection, SessionFacts>();
  const releasedAt = new WeakMap<PoolConnection, number>();
  const getConnection = (): Promise<PoolConnection> =>
    new Promise((resolve, reject) => {
      pool.getConnection((cause, connection) => (cause ? reject(mysqlError(cause, where)) : resolve(connection)));
    });
  const lively = async (): Promise<PoolConnection> => {
    for (;;) {
      const connection = await getConnection();
      const since = releasedAt.get(connection);
      if (!own || since === undefined || clock.monotonic() - since <= maxIdleMs) return connection;
      connection.destroy();
    }
  };

  return {
    where,
    acquire: async (timeoutMs = statementTimeoutMs) => {
      const connection = await lively();
      let facts = known.get(connection);
      const typeCast = own ? undefined : exactValues;
      const released = (): unknown => releasedAt.set(connection, clock.monotonic());
      const session = createSession({ connection, where, timeoutMs, typeCast, several: own, released }, () => {
        if (facts === undefined) throw new PaystreamError('INTERNAL', 'a connection is used before it is known', { reason: 'UNEXPECTED' });
        return facts;
      });
      if (facts === undefined) {
        try {
          facts = own ? await prepareOwnSession(session, where, lockTimeoutMs) : await checkForeignSession(session, connection, where);
          known.set(connection, facts);
        } catch (error) {
          if (own) connection.destroy();
          else session.release();
          throw error;
        }
      }
      return session;
    },
    close: () =>
      own
        ? new Promise((resolve, reject) => pool.end((error) => (error ? reject(mysqlError(error, where)) : resolve())))
        : Promise.resolve(),
  };
}
