import { formatHostPort, type ServiceUrl } from './service-url.ts';

/** Which host of a service is spoken to: always the same one, as long as it serves. */
export interface ServiceHosts {
  readonly count: number;
  /** `host:port` of the one whose turn it is. */
  readonly current: string;
  /** Turns to the next one for all; does nothing if somebody has turned away from `host` before. */
  turnFrom(host: string): void;
}

/** The hosts of a service. `random`, a number from 0 to less than 1, chooses the first. */
export function createServiceHosts(service: ServiceUrl, random: () => number): ServiceHosts {
  const hosts = service.hosts.map(formatHostPort);
  let at = Math.floor(random() * hosts.length);
  return {
    count: hosts.length,
    get current() {
      return hosts[at] ?? '';
    },
    turnFrom(host) {
      if (hosts[at] === host) at = (at + 1) % hosts.length;
    },
  };
}
