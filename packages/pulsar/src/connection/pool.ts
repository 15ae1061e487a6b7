import { PulsarError } from '../errors/pulsar-error.ts';
import type { ConnectionOptions, PooledConnection } from './connection.ts';
import { openConnection } from './open-connection.ts';
import type { BrokerAddress, Connection, ServicePool } from './port.ts';
import { createServiceHosts, type ServiceHosts } from './service-hosts.ts';
import { parseHostPort, parseServiceUrl, type ServiceUrl } from './service-url.ts';

/** Options of {@link createConnectionPool}. Times in milliseconds. */
export interface ConnectionPoolOptions extends Omit<ConnectionOptions, 'address' | 'target' | 'onClosed' | 'nextRequestId'> {
  readonly service: ServiceUrl;
  readonly maxConnectionsPerBroker: number;
  /** Connections that nobody has used for so long are closed; 0: never. */
  readonly idleTimeoutMs: number;
  /** Chooses the first host: a number from 0 to less than 1. Default: `Math.random`. */
  readonly random?: () => number;
}

interface Entry {
  readonly opening: Promise<PooledConnection>;
  open: PooledConnection | undefined;
  /** When it was last seen in use, on the clock of `performance.now()`. */
  usedAt: number;
}

/** The connections of one client. */
export function createConnectionPool(options: ConnectionPoolOptions): ServicePool {
  const { service, maxConnectionsPerBroker, idleTimeoutMs, random = Math.random } = options;
  const entries = new Map<string, Entry>();
  const home = createServiceHosts(service, random);
  /** By service URL. */
  const otherClusters = new Map<string, ServiceHosts>();
  const closing = new AbortController();
  let slots = 0;
  let requestIds = 0n;
  let sweeper: NodeJS.Timeout | undefined;

  const nextRequestId = (): bigint => {
    requestIds += 1n;
    return requestIds;
  };

  function open(key: string, address: BrokerAddress): Entry {
    const target = parseHostPort(address.physical, service.tls ? 6651 : 6650);
    const forget = (): void => {
      if (entries.get(key) === entry) entries.delete(key);
      if (entries.size === 0) stopSweeping();
    };
    const opening = openConnection({ ...options, address, target, nextRequestId, onClosed: forget }, closing.signal);
    const entry: Entry = { opening, open: undefined, usedAt: performance.now() };
    opening.then((connection) => {
      entry.open = connection;
      entry.usedAt = performance.now();
    }, forget);
    return entry;
  }

  async function connect(address: BrokerAddress, slot: number): Promise<PooledConnection> {
    if (closing.signal.aborted) throw closing.signal.reason;
    const key = `${address.logical} ${address.physical} ${slot % maxConnectionsPerBroker}`;
    let entry = entries.get(key);
    if (entry === undefined) {
      entry = open(key, address);
      entries.set(key, entry);
      startSweeping();
    }
    const connection = await entry.opening;
    // It may have been lost between its opening and this turn.
    if (connection.closed) throw new PulsarError('NOT_CONNECTED', `the connection to ${address.logical} was lost at once`);
    entry.usedAt = performance.now();
    return connection;
  }

  function startSweeping(): void {
    if (idleTimeoutMs > 0) sweeper ??= setInterval(sweep, Math.max(10, idleTimeoutMs / 4)).unref();
  }

  function stopSweeping(): void {
    clearInterval(sweeper);
    sweeper = undefined;
  }

  function sweep(): void {
    const now = performance.now();
    for (const entry of entries.values()) {
      if (entry.open === undefined || entry.open.inUse) entry.usedAt = now;
      else if (now - entry.usedAt >= idleTimeoutMs) entry.open.close(new PulsarError('NOT_CONNECTED', 'the connection was idle'));
    }
  }

  function hostsOf(cluster: string): ServiceHosts {
    const hosts = otherClusters.get(cluster) ?? createServiceHosts(parseServiceUrl(cluster), random);
    otherClusters.set(cluster, hosts);
    return hosts;
  }

  async function connectToService(cluster?: string): Promise<{ readonly connection: Connection; readonly address: BrokerAddress }> {
    const hosts = cluster === undefined ? home : hostsOf(cluster);
    let failure: unknown;
    for (let tried = 0; tried < hosts.count; tried += 1) {
      const host = hosts.current;
      const address: BrokerAddress = { logical: host, physical: host };
      try {
        return { connection: await connect(address, 0), address };
      } catch (error) {
        if (closing.signal.aborted) throw error;
        failure = error;
        hosts.turnFrom(host);
      }
    }
    throw failure;
  }

  function avoid(connection: Connection, reason: PulsarError): void {
    for (const hosts of [home, ...otherClusters.values()]) hosts.turnFrom(connection.broker);
    const entry = [...entries.values()].find(({ open: opened }) => opened === connection);
    if (entry?.open?.serves === false) entry.open.close(reason);
  }

  async function close(): Promise<void> {
    if (closing.signal.aborted) return;
    closing.abort(new PulsarError('ALREADY_CLOSED', 'the client is closed'));
    stopSweeping();
    const open = [...entries.values()];
    for (const entry of open) entry.open?.close(closing.signal.reason);
    await Promise.allSettled(open.map((entry) => entry.opening));
  }

  return {
    newSlot: () => {
      slots += 1;
      return slots - 1;
    },
    connect,
    connectToService,
    avoid,
    close,
  };
}
