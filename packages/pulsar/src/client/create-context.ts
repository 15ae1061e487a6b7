import { noAuthentication } from '../connection/auth/static.ts';
import { createConnectionPool } from '../connection/pool.ts';
import { parseServiceUrl } from '../connection/service-url.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { createEventEmitter } from '../events/events.ts';
import { createLookup } from '../lookup/lookup.ts';
import type { ClientContext } from './context.ts';
import { createMemoryBudget } from './memory-budget.ts';
import { type PulsarClientOptions, resolveClientOptions, sniProxyOf } from './options.ts';

/** A context and the end of it. */
export interface OwnedContext {
  readonly context: ClientContext;
  readonly closed: boolean;
  /** Closes all that asked to be told, then every connection. Idempotent. Rejects with the first failure of those that were told, when all is closed. */
  close(): Promise<void>;
}

/** What the producers, consumers and readers of one client share. Connects to nothing yet. Throws `INVALID_ARGUMENT`. */
export function createContext(options: PulsarClientOptions): OwnedContext {
  const resolved = resolveClientOptions(options);
  const { operationTimeoutMs, connectionTimeoutMs, keepAliveMs, maxConnectionsPerBroker, backoff } = resolved;
  const service = parseServiceUrl(options.serviceUrl);
  const emit = createEventEmitter(options.onEvent);
  const closing = new AbortController();
  const toClose = new Set<() => Promise<void>>();
  let producerIds = 0;
  let consumerIds = 0;
  let ended: Promise<void> | undefined;

  const pool = createConnectionPool({
    service,
    tls: service.tls ? (options.tls ?? {}) : undefined,
    sniProxy: sniProxyOf(options),
    authentication: options.authentication ?? noAuthentication,
    connectionTimeoutMs,
    operationTimeoutMs,
    keepAliveMs,
    idleTimeoutMs: resolved.idleConnectionMs,
    maxConnectionsPerBroker,
    emit,
  });
  const lookup = createLookup({
    pool,
    tls: service.tls,
    listenerName: options.listenerName,
    operationTimeoutMs,
    backoff,
    emit,
    signal: closing.signal,
  });

  async function end(): Promise<void> {
    // Look-ups that wait to be tried again end at once; whoever they were for is told next.
    closing.abort(new PulsarError('ALREADY_CLOSED', 'the client is closed'));
    const outcomes = await Promise.allSettled([...toClose].map((close) => close()));
    await pool.close();
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  const context: ClientContext = {
    pool,
    lookup,
    tls: service.tls,
    operationTimeoutMs,
    backoff,
    memory: createMemoryBudget(resolved.memoryLimitBytes),
    transactionsEnabled: resolved.transactions,
    emit,
    nextProducerId: () => producerIds++,
    nextConsumerId: () => consumerIds++,
    onClose: (close) => {
      toClose.add(close);
      return () => {
        toClose.delete(close);
      };
    },
  };
  return {
    context,
    get closed() {
      return closing.signal.aborted;
    },
    close: () => {
      ended ??= end();
      return ended;
    },
  };
}
