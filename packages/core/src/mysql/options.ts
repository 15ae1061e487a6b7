import type { Pool } from 'mysql2';
import type { Pool as PromisePool } from 'mysql2/promise';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../logger/port.ts';
import type { Random } from '../random/port.ts';

/** How connections are encrypted. Paths are not taken: read the files first. */
export interface MysqlTls {
  /** Certificates of the authorities that are trusted, PEM. Default: those that Node trusts. */
  readonly ca?: string | Uint8Array | undefined;
  /** A certificate of the client and its key, PEM. Default: none. */
  readonly cert?: string | Uint8Array | undefined;
  /** The private key of `cert`, PEM. */
  readonly key?: string | Uint8Array | undefined;
  /** Takes any certificate of the server: encrypted, yet open to whoever stands between. Default: false. */
  readonly acceptAnyCertificate?: boolean | undefined;
}

/** What a database needs to know to make its own connections. */
export interface MysqlConnectionOptions {
  /** `mysql://user:password@host:3306/database`. User and password are percent-encoded; `?socket=/path` names a Unix socket. */
  readonly url: string;
  /** Instead of the one in the URL, as for secrets that come from a file. */
  readonly password?: string | undefined;
  /** True: encrypted, the server's certificate checked, and its name too unless the URL has an IP address. Default: not encrypted. */
  readonly tls?: boolean | MysqlTls | undefined;
  /** At most so many connections, made when needed, and anew after 45 s idle; so many transactions run side by side. Where leases are kept in the database, as those of outboxes are, and there are several, one is kept for their renewals. Default: 10. */
  readonly poolSize?: number | undefined;
  /** How long a connection may take to be made, in milliseconds. Default: 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long a statement waits for a row that another transaction holds, in milliseconds; the server counts whole seconds. Default: 5,000. */
  readonly lockTimeoutMs?: number | undefined;
}

/** Options of `createMysqlDatabase` that do not depend on who makes the connections. */
export interface MysqlAdapterOptions {
  /** Goes before the name of each table. Default: `paystream_`. */
  readonly tablePrefix?: string | undefined;
  /**
   * How long one waits for a connection of the pool at most, in milliseconds; then the call rejects with `UNAVAILABLE` /
   * `POOL_EXHAUSTED`. Default: 10,000.
   */
  readonly acquireTimeoutMs?: number | undefined;
  /** How long the server may take to answer a statement, in milliseconds; then its connection is given up. Migrations may take longer. Default: 30,000. */
  readonly statementTimeoutMs?: number | undefined;
  /**
   * How often a transaction is run at most when it loses against another, the first time included. Default: 10. Whatever it is, one
   * that waits in vain for a row is run again once, and a change of a schema that waits in vain for its table not at all: each
   * time it waits for as long as the server lets it (`lockTimeoutMs`).
   */
  readonly maxAttempts?: number | undefined;
  /** What waits between attempts and for connections are measured by. The database's own clock is the server's. Default: the system clock. */
  readonly clock?: Clock | undefined;
  /** Spreads the waits. Default: the system's. */
  readonly random?: Random | undefined;
  /** Told of transactions that are run again. Default: writes nothing. */
  readonly logger?: Logger | undefined;
}

/** A pool that the caller has and keeps: of `mysql2`, or of `mysql2/promise`. */
export interface MysqlPoolOptions {
  /** A pool of yours, of `mysql2` or `mysql2/promise`. You close it. */
  readonly pool: Pool | PromisePool;
}

/** Options of `createMysqlDatabase`: how to connect, or a `pool` of the caller's. */
export type MysqlDatabaseOptions = MysqlAdapterOptions & (MysqlConnectionOptions | MysqlPoolOptions);
