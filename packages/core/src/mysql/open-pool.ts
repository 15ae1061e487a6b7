import { createPool, type Pool } from 'mysql2';
import { driverOptions } from './driver-options.ts';
import type { MysqlDatabaseOptions } from './options.ts';

/** A pool, and what is known of it. */
export interface OpenPool {
  readonly pool: Pool;
  /** The server and the user, for messages. */
  readonly where: string;
  /** Whether we made it. */
  readonly own: boolean;
  /** How many connections it has at most. */
  readonly size: number;
}

/** Makes a pool, or takes that of the caller's. */
export function openPool(options: MysqlDatabaseOptions): OpenPool {
  if ('pool' in options) {
    const pool = 'promise' in options.pool ? options.pool : options.pool.pool;
    const { connectionConfig, connectionLimit } = pool.config as {
      readonly connectionConfig?: { readonly host?: string; readonly port?: number; user?: string };
      readonly connectionLimit?: number;
    };
    const { host = '?', port = '?', user = '?' } = connectionConfig ?? {};
    // The driver has no limit for 0.
    return { pool, where: `${host}:${port} as "${user}"`, own: false, size: connectionLimit || Number.POSITIVE_INFINITY };
  }
  const { pool, where } = driverOptions(options);
  return { pool: createPool(pool), where, own: true, size: options.poolSize ?? 10 };
}
