import type { PoolConnection, QueryOptions } from 'mysql2';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createSession, type Session, type SessionFacts } from './connection.ts';
import { createConnections } from './connections.ts';
import { mysqlError } from './mysql-errors.ts';
import { openPool } from './open-pool.ts';
import type { MysqlDatabaseOptions } from './options.ts';
import { checkForeignSession, prepareOwnSession } from './session-setup.ts';

/** How a connection is asked for. */
export interface AcquireOptions {
  /** Its statements time out after so many milliseconds, or not at all with 0. Default: as the database says. */
  readonly timeoutMs?: number | undefined;
  /** Goes before others. Default: false. */
  readonly urgent?: boolean | undefined;
}

/** Connections, ours or the caller's. */
export interface Sessions {
  /** The server and the user, for messages. */
  readonly where: string;
  /** Waits for a connection that is free; rejects with `UNAVAILABLE` / `POOL_EXHAUSTED` if there is none for too long. */
  acquire(options?: AcquireOptions): Promise<Session>;
  /** Ends the connections if they are ours. */
  close(): Promise<void>;
}

const exactValues: QueryOptions['typeCast'] = (field, next) => {
  if (field.type === 'JSON') return field.string('utf8');
  return field.type === 'NEWDECIMAL' || field.type === 'DECIMAL' ? field.string('ascii') : next();
};

/** Makes or takes a pool. Nothing connects before the first `acquire`. */
export function createSessions(options: MysqlDatabaseOptions): Sessions {
  const opened = openPool(options);
  const { pool, where, own } = opened;
  const statementTimeoutMs = options.statementTimeoutMs ?? 30_000;
  const lockTimeoutMs = 'pool' in options ? 0 : (options.lockTimeoutMs ?? 5_000);
  const known = new WeakMap<PoolConnection, SessionFacts>();
  const connections = createConnections({
    ...opened,
    acquireTimeoutMs: options.acquireTimeoutMs ?? 10_000,
    clock: options.clock ?? systemClock,
  });

  return {
    where,
    acquire: async ({ timeoutMs = statementTimeoutMs, urgent = false } = {}) => {
      const connection = await connections.take(urgent);
      let facts = known.get(connection);
      const typeCast = own ? undefined : exactValues;
      const released = (): void => connections.left(connection);
      const session = createSession({ connection, where, timeoutMs, typeCast, several: own, released }, () => {
        if (facts === undefined) throw new PaystreamError('INTERNAL', 'a connection is used before it is known', { reason: 'UNEXPECTED' });
        return facts;
      });
      if (facts === undefined) {
        try {
          facts = own ? await prepareOwnSession(session, where, lockTimeoutMs) : await checkForeignSession(session, connection, where);
          known.set(connection, facts);
        } catch (error) {
          if (own) session.abandon();
          session.release();
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
