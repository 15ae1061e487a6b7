import type { PoolConnection } from 'mysql2';
import type { Clock } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { mysqlError } from './mysql-errors.ts';
import type { OpenPool } from './open-pool.ts';
import { createWaitingLine } from './waiting-line.ts';

/** Hands out the connections of a pool. */
export interface Connections {
  /** Waits for one that is free. Rejects with `UNAVAILABLE` / `POOL_EXHAUSTED` if there is none for too long. Who is urgent goes before others. */
  take(urgent: boolean): Promise<PoolConnection>;
  /** To be told when one that was taken has been given back to the pool, or ended. */
  left(connection: PoolConnection): void;
}

/** Options of {@link createConnections}. */
export interface ConnectionsOptions extends OpenPool {
  /** How long one waits for a connection at most, in milliseconds. */
  readonly acquireTimeoutMs: number;
  readonly clock: Clock;
}

/**
 * A connection of ours that lay idle for longer, in milliseconds, is replaced. Firewalls and load balancers drop what is idle,
 * mostly without a word: whoever sent something over it would wait until the statement timed out.
 */
const maxIdleMs = 45_000;

/** Makes what hands out the connections of a pool. */
export function createConnections({ pool, where, own, size, acquireTimeoutMs, clock }: ConnectionsOptions): Connections {
  const leftAt = new WeakMap<PoolConnection, number>();
  const refusal = (): PaystreamError =>
    new PaystreamError(
      'UNAVAILABLE',
      `MySQL at ${where}: none of the pool's ${size} connections was free for ${acquireTimeoutMs} ms: raise ${own ? 'poolSize' : 'its connectionLimit'}, or acquireTimeoutMs`,
      { reason: 'POOL_EXHAUSTED' },
    );
  // In the driver's own queue one waits for ever, and there is no leaving it. So nobody of ours gets there, unless others use
  // the same pool.
  const line = createWaitingLine({ places: size, maxWaitMs: acquireTimeoutMs, clock, refusal });

  const fromPool = (): Promise<PoolConnection> =>
    new Promise((resolve, reject) => {
      pool.getConnection((cause, connection) => (cause ? reject(mysqlError(cause, where)) : resolve(connection)));
    });

  const ofOurs = async (): Promise<PoolConnection> => {
    for (;;) {
      const connection = await fromPool();
      const since = leftAt.get(connection);
      if (since === undefined || clock.monotonic() - since <= maxIdleMs) return connection;
      connection.destroy();
    }
  };

  /** Calls back when it is served at last, though nobody waits any more. Until then it keeps its place: there are never more in the queue than places. */
  const withinTime = (
    connection: Promise<PoolConnection>,
    restMs: number,
    served: (late?: PoolConnection) => void,
  ): Promise<PoolConnection> =>
    new Promise((resolve, reject) => {
      let over = false;
      const timer = clock.setTimer(restMs, () => {
        over = true;
        reject(refusal());
      });
      connection.then(
        (one) => {
          timer.cancel();
          if (over) served(one);
          else resolve(one);
        },
        (error: unknown) => {
          timer.cancel();
          served();
          reject(error);
        },
      );
    });

  return {
    take: async (urgent) => {
      const since = clock.monotonic();
      await line.enter(urgent);
      if (!own) {
        return withinTime(fromPool(), acquireTimeoutMs - (clock.monotonic() - since), (late) => {
          late?.release();
          line.leave();
        });
      }
      try {
        return await ofOurs();
      } catch (error) {
        line.leave();
        throw error;
      }
    },
    left: (connection) => {
      leftAt.set(connection, clock.monotonic());
      line.leave();
    },
  };
}
