import type { PoolOptions, SslOptions } from 'mysql2';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { MysqlConnectionOptions } from './options.ts';

function refuse(what: string): never {
  throw new PaystreamError('INVALID_ARGUMENT', `the URL of MySQL ${what}: write mysql://user:password@host:3306/database`, {
    reason: 'INVALID_MYSQL_URL',
  });
}

/** Never puts the URL into an error: it may hold a password. */
function parse(url: string): URL {
  if (!URL.canParse(url)) refuse('cannot be read');
  const parsed = new URL(url);
  if (parsed.protocol !== 'mysql:' && parsed.protocol !== 'mariadb:') refuse(`begins with ${parsed.protocol}`);
  if (parsed.hostname === '') refuse('names no host');
  if (parsed.pathname.length < 2) refuse('names no database');
  for (const name of parsed.searchParams.keys()) if (name !== 'socket') refuse(`has a parameter ${name} that is not known`);
  return parsed;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return refuse('has a % in user, password or database that is not percent-encoded (as %25)');
  }
}

function sslOf(tls: MysqlConnectionOptions['tls'], host: string): SslOptions | undefined {
  if (tls === undefined || tls === false) return undefined;
  const { ca, cert, key, acceptAnyCertificate = false } = tls === true ? {} : tls;
  const pem = (value: string | Uint8Array): string => (typeof value === 'string' ? value : Buffer.from(value).toString());
  return {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: !acceptAnyCertificate,
    // The driver has no name to hold against the certificate where the host is an address.
    verifyIdentity: !acceptAnyCertificate && !/^[\d.]+$|:/.test(host),
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(cert === undefined ? {} : { cert: pem(cert) }),
    ...(key === undefined ? {} : { key: pem(key) }),
  };
}

/** The driver's options, and the name of the server and the user for messages. Throws `INVALID_ARGUMENT` / `INVALID_MYSQL_URL`. */
export function driverOptions(options: MysqlConnectionOptions): { readonly pool: PoolOptions; readonly where: string } {
  const url = parse(options.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? 3306 : Number(url.port);
  const user = decoded(url.username);
  const socket = url.searchParams.get('socket');
  const ssl = sslOf(options.tls, host);
  const poolSize = options.poolSize ?? 10;
  return {
    where: `${socket ?? `${url.hostname}:${port}`} as "${user}"`,
    pool: {
      ...(socket === null ? { host, port } : { socketPath: socket }),
      user,
      password: options.password ?? decoded(url.password),
      database: decoded(url.pathname.slice(1)),
      ...(ssl === undefined ? {} : { ssl }),
      connectionLimit: poolSize,
      // Fewer would have the driver end free connections every second, however soon they are needed again.
      maxIdle: poolSize,
      // After that a connection is probed each second; after ten it counts as lost.
      enableKeepAlive: true,
      keepAliveInitialDelay: 30_000,
      connectTimeout: options.connectTimeoutMs ?? 10_000,
      charset: 'utf8mb4',
      timezone: 'Z',
      supportBigNumbers: true,
      dateStrings: true,
      jsonStrings: true,
      // So that a transaction begins with its first statement; statements of callers may not hold several.
      multipleStatements: true,
      // A server may otherwise ask for files of this machine.
      flags: ['-LOCAL_FILES'],
    },
  };
}
