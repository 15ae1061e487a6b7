import type { Authentication } from '../connection/auth/port.ts';
import type { TlsOptions } from '../connection/open-socket.ts';
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
  /** What producers hold until it is acknowledged and consumers have queued, in bytes; 0: no limit. Default: 64 MiB. */
  readonly memoryLimitBytes?: number;
  /** Delays between attempts to reconnect. Each is twice the one before. Default: from 100 to 60,000. */
  readonly backoff?: { readonly initialMs?: number; readonly maxMs?: number };
  /** Lets producers and consumers take part in transactions. Default: false. */
  readonly transactions?: boolean;
  /** Called with what happens to connections and look-ups, in a turn of its own. */
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
  const resolved = {
    ...defaults,
    ...given,
    backoff: { initialMs: options.backoff?.initialMs ?? 100, maxMs: options.backoff?.maxMs ?? 60_000 },
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
