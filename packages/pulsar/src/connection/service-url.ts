import { PulsarError } from '../errors/pulsar-error.ts';

/** A host and a port to connect to. */
export interface HostPort {
  /** Without brackets, even of IPv6. */
  readonly host: string;
  readonly port: number;
}

/** A service URL taken apart. */
export interface ServiceUrl {
  readonly tls: boolean;
  /** At least one. */
  readonly hosts: readonly HostPort[];
}

function invalid(given: string, why: string): PulsarError {
  // Who takes it for an address of the web puts a password there.
  const text = given.replace(/^([^/]*\/\/)?.*@/, '$1(secret)@');
  return new PulsarError('INVALID_ARGUMENT', `"${text}" is no service URL: ${why}; write pulsar://host:6650 or pulsar+ssl://host:6651`);
}

/** `host`, `host:port`, `[::1]:port` taken apart. Throws `INVALID_ARGUMENT`. */
export function parseHostPort(text: string, defaultPort: number): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) throw invalid(text, 'a host is missing or not one');
  const port = match[3] === undefined ? defaultPort : Number(match[3]);
  if (port < 1 || port > 65_535) throw invalid(text, `${port} is no port`);
  return { host, port };
}

/** `host:port` as the protocol writes it, IPv6 in brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/**
 * Takes `pulsar://h1:p1,h2:p2` or `pulsar+ssl://...` apart: hosts separated by `,` or `;`, ports 6650 and 6651 by default.
 * Throws `INVALID_ARGUMENT`.
 */
export function parseServiceUrl(text: string): ServiceUrl {
  if (text.includes('@')) throw invalid(text, 'who connects is told by `authentication`');
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)\/?$/i.exec(text.trim());
  if (match === null) throw invalid(text, 'it is not scheme://host:port');
  const scheme = (match[1] ?? '').toLowerCase();
  if (scheme === 'http' || scheme === 'https') throw invalid(text, 'the client speaks the binary protocol only, not HTTP');
  if (scheme !== 'pulsar' && scheme !== 'pulsar+ssl') throw invalid(text, `"${scheme}" is not a scheme of Pulsar`);
  const tls = scheme === 'pulsar+ssl';
  const parts = (match[2] ?? '').split(/[,;]/);
  return { tls, hosts: parts.map((part) => parseHostPort(part, tls ? 6651 : 6650)) };
}
