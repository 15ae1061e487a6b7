import type { AssignedBroker, BrokerAddress } from './port.ts';
import { formatHostPort, parseServiceUrl } from './service-url.ts';

/** Where to connect to if the broker named another one, by the way that led to it: directly or through the proxy. */
export function assignedAddress(assigned: AssignedBroker, before: BrokerAddress, tls: boolean): BrokerAddress | undefined {
  const url = tls ? assigned.serviceUrlTls : assigned.serviceUrl;
  const host = url === undefined ? undefined : parseServiceUrl(url).hosts[0];
  if (host === undefined) return undefined;
  const logical = formatHostPort(host);
  return { logical, physical: before.logical === before.physical ? logical : before.physical };
}

/** The service URL of the cluster that a topic has moved to; `undefined` if it has none that the client can use. */
export function migrationTarget(to: AssignedBroker, tls: boolean): string | undefined {
  return tls ? to.serviceUrlTls : to.serviceUrl;
}
