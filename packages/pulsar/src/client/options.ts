import type { Authentication } from '../connection/auth/port.ts';
import { MAX_BACKOFF_MS } from '../connection/backoff.ts';
import type { TlsOptions } from '../connection/open-socket.ts';
import { type HostPort, parseServiceUrl } from '../connection/service-url.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import type { PulsarEvent } from '../events/events.ts';

/** Options of {@link createPulsarClient}. Times are in milliseconds. */
export interface PulsarClientOptions {
  /**
   * `pulsar://host:6650`, `pulsar+ssl://host:6651`, with several hosts `pulsar://h1:6650,h2:6650`: brokers or proxies. The
   * client stays with a host while it answers and turns to the next when it does not.
   */
  readonly serviceUrl: string;
  /** `token(...)`, `basic(...)`, `oauth2(...)`, `clientCertificate()`. Default: none. */
  readonly authentication?: Authentication;
  /** How TLS is used with `pulsar+ssl://`. */
  readonly tls?: TlsOptions;
  /**
   * `pulsar+ssl://proxy:4443`: every connection is made to this proxy, which leads it to the broker by the server name that TLS
   * names first, and passes on what it cannot read; needs `pulsar+ssl://` and brokers that are called by name. A proxy of
   * Pulsar's own needs no mention: give it as `serviceUrl`. Default: brokers are connected to themselves.
   */
  readonly proxyServiceUrl?: string;
  /** What the proxy at `proxyServiceUrl` speaks. Default: `sni`, the only one. */
  readonly proxyProtocol?: 'sni';
  /** Which of the listeners that brokers advertise to use. Default: the brokers' choice. */
  readonly listenerName?: string;
  /** How long a request may take, retries of look-ups included. Default: 30,000. */
  readonly operationTimeoutMs?: number;
  /** How long making a connection may take, TLS, credentials and handshake included. Default: 10,000. */
  readonly connectionTimeoutMs?: number;
  /** A connection over which nothing comes for so long is asked for a sign of life, and given up after as long again. Default: 30,000. */
  readonly keepAliveMs?: number;
  /** Connections that nothing uses are closed after so long; 0: never. Default: 60,000. */
  readonly idleConnectionMs?: number;
  /** Default: 1. */
  readonly maxConnectionsPerBroker?: number;
  /**
   * What producers hold until it is acknowledged and consumers have queued, in bytes; 0: no limit. Consumers ask for no more
   * messages than fit, going by the size of those that came; one at a time where nothing fits. Default: 64 MiB.
   */
  readonly memoryLimitBytes?: number;
  /**
   * Delays between attempts to reconnect. Each is twice the one before, less up to a tenth at random. Default: from 100 to
   * 5,000, so that an outage, however long, is noticed to be over within 5 seconds; the Java client waits up to 60,000.
   */
  readonly backoff?: { readonly initialMs?: number; readonly maxMs?: number };
  /** Lets producers and consumers take part in transactions. Default: false. */
  readonly transactions?: boolean;
  /** Called with what happens to connections, look-ups, producers and consumers, in a turn of its own. */
  readonly onEvent?: (event: PulsarEvent) => void;
}

/** The options that have defaults, with them filled in. */
export type ResolvedClientOptions = Required<
  Pick<
    PulsarClientOptions,
    | 'operationTimeoutMs'
    | 'connectionTimeoutMs'
    | 'keepAliveMs'
    | 'idleConnectionMs'
    | 'maxConnectionsPerBroker'
    | 'memoryLimitBytes'
    | 'transactions'
  >
> & { readonly backoff: { readonly initialMs: number; readonly maxMs: number } };

const defaults = {
  operationTimeoutMs: 30_000,
  connectionTimeoutMs: 10_000,
  keepAliveMs: 30_000,
  idleConnectionMs: 60_000,
  maxConnectionsPerBroker: 1,
  memoryLimitBytes: 64 * 1024 * 1024,
  transactions: false,
} as const satisfies Partial<PulsarClientOptions>;

const positive = ['operationTimeoutMs', 'connectionTimeoutMs', 'keepAliveMs', 'maxConnectionsPerBroker'] as const;
const notNegative = ['idleConnectionMs', 'memoryLimitBytes'] as const;

/** Fills in defaults. Throws `INVALID_ARGUMENT` for what makes no sense. */
export function resolveClientOptions(options: PulsarClientOptions): ResolvedClientOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const initialMs = options.backoff?.initialMs ?? 100;
  const resolved = {
    ...defaults,
    ...given,
    backoff: { initialMs, maxMs: options.backoff?.maxMs ?? Math.max(MAX_BACKOFF_MS, initialMs) },
  } as ResolvedClientOptions;
  const check = (name: string, value: number, least: number): void => {
    if (Number.isInteger(value) && value >= least) return;
    throw new PulsarError('INVALID_ARGUMENT', `${name} is ${value}: it must be a whole number of at least ${least}`);
  };
  for (const name of positive) check(name, resolved[name], 1);
  for (const name of notNegative) check(name, resolved[name], 0);
  check('backoff.initialMs', resolved.backoff.initialMs, 1);
  check('backoff.maxMs', resolved.backoff.maxMs, resolved.backoff.initialMs);
  return resolved;
}

/** The proxy that all connections go through, if any. Throws `INVALID_ARGUMENT`. */
export function sniProxyOf({ serviceUrl, proxyServiceUrl, proxyProtocol = 'sni' }: PulsarClientOptions): HostPort | undefined {
  if (proxyServiceUrl === undefined) return undefined;
  const { tls, hosts } = parseServiceUrl(proxyServiceUrl);
  const [proxy] = hosts;
  if (proxyProtocol !== 'sni') throw new PulsarError('INVALID_ARGUMENT', `proxyProtocol is ${proxyProtocol}: only sni is known`);
  if (!tls || !parseServiceUrl(serviceUrl).tls) {
    throw new PulsarError('INVALID_ARGUMENT', 'an SNI proxy needs pulsar+ssl:// as serviceUrl and as proxyServiceUrl');
  }
  if (proxy === undefined || hosts.length > 1) {
    throw new PulsarError('INVALID_ARGUMENT', `proxyServiceUrl is ${proxyServiceUrl}: it must name one host`);
  }
  return proxy;
}
