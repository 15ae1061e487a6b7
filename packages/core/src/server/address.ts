import { PaystreamError } from '../errors/paystream-error.ts';

/** Where a server listens. */
export interface ListenAddress {
  /** The address to listen on. Default: `127.0.0.1`. Anything beyond this machine wants an authenticator. */
  readonly host?: string | undefined;
  /** The port; 0 takes any free one. */
  readonly port?: number | undefined;
  /** What the operator changes to move it, for error messages: `PAYSTREAM_GRPC_PORT`. Default: the option's own name. */
  readonly setting?: string | undefined;
}

/** `host:port`, as it stands in a URL. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Throws if a server would be reachable from elsewhere without asking who calls. */
export function refuseExposure(hosts: readonly string[], authenticated: boolean, allowUnauthenticated: boolean): void {
  const exposed = hosts.find((host) => !isLoopback(host));
  if (exposed === undefined || authenticated || allowUnauthenticated) return;
  throw new PaystreamError(
    'FAILED_PRECONDITION',
    `Will not listen on "${exposed}", which other machines reach, without asking who calls. ` +
      'Set authenticate (apiKeys([...]), or your own), listen on 127.0.0.1, or set allowUnauthenticated: true if something in front of it authenticates.',
    { reason: 'UNAUTHENTICATED_EXPOSURE', details: { host: exposed } },
  );
}

/** Linux gives outgoing connections ports from here to 60,999 unless it is told otherwise, other systems from 49,152 on. */
const firstEphemeralPort = 32_768;

/** Where nothing listens, an outgoing connection of any program may have the port. */
function orOutgoing(address: string): string {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  if (port < firstEphemeralPort) return '';
  return ` If nothing listens, an outgoing connection has that port now: start again, or choose one below ${firstEphemeralPort}.`;
}

/** The error of a server that cannot listen. */
export function listenError(what: string, address: string, setting: string, cause: unknown): PaystreamError {
  const text = PaystreamError.from(cause).message;
  const details = { address, setting };
  if (text.includes('EADDRINUSE')) {
    return new PaystreamError(
      'FAILED_PRECONDITION',
      `Cannot serve ${what} on ${address}: something listens there already. Stop it, or set ${setting} to another port.${orOutgoing(address)}`,
      { reason: 'ADDRESS_IN_USE', details, cause },
    );
  }
  if (text.includes('EACCES')) {
    return new PaystreamError(
      'FAILED_PRECONDITION',
      `Cannot serve ${what} on ${address}: this user may not use that port. Set ${setting} to one above 1023.`,
      { reason: 'ADDRESS_NOT_PERMITTED', details, cause },
    );
  }
  return new PaystreamError('FAILED_PRECONDITION', `Cannot serve ${what} on ${address}: ${text}. Check ${setting} and the host.`, {
    reason: 'ADDRESS_UNUSABLE',
    details,
    cause,
  });
}
