import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, connect as connectTls } from 'node:tls';
import { PulsarError } from '../errors/pulsar-error.ts';
import { formatHostPort, type HostPort } from './service-url.ts';

/** How TLS is used with `pulsar+ssl://` and `https://`. Certificates and keys are the text of PEM files. */
export interface TlsOptions {
  /** Authorities to trust in place of those that Node trusts. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[];
  /** The client's certificate, and those that issued it. */
  readonly certificate?: string | Buffer;
  /** The key of the certificate. */
  readonly key?: string | Buffer;
  /** Of the key. */
  readonly passphrase?: string;
  /** The name that the broker's certificate must be for. Default: the host that is connected to. */
  readonly serverName?: string;
  /** Whether the certificate must be for the host. Default: true. */
  readonly verifyHostname?: boolean;
  /** Takes any certificate, even one that nobody issued: for tests alone. Default: false. */
  readonly allowUntrusted?: boolean;
}

/** What the options mean to `node:tls` and `node:https`, for a connection to `host`. */
export function tlsSettings(tls: TlsOptions, host: string): ConnectionOptions {
  const name = tls.serverName ?? host;
  const { ca } = tls;
  return {
    // An address is no server name, but a certificate may be for it.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(ca === undefined ? {} : { ca: typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca] }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.passphrase === undefined ? {} : { passphrase: tls.passphrase }),
    ...(tls.verifyHostname === false ? { checkServerIdentity: () => undefined } : {}),
    rejectUnauthorized: tls.allowUntrusted !== true,
  };
}

/** To a broker through a proxy that reads its name, and nothing else, out of what TLS says first. */
function settingsThroughProxy(tls: TlsOptions, host: string): ConnectionOptions {
  if (isIP(host) !== 0) {
    throw new PulsarError('INVALID_ARGUMENT', `the proxy finds brokers by their names, and ${host} is an address`);
  }
  const settings = tlsSettings(tls, host);
  const { serverName, verifyHostname } = tls;
  if (serverName === undefined || verifyHostname === false) return { ...settings, servername: host };
  return { ...settings, servername: host, checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate) };
}

function connectSocket({ host, port }: HostPort, tls: TlsOptions | undefined, proxy: HostPort | undefined): Socket {
  if (tls !== undefined && proxy !== undefined) {
    const socket = connectTls({ ...settingsThroughProxy(tls, host), host: proxy.host, port: proxy.port });
    socket.setNoDelay(true);
    return socket;
  }
  if (tls === undefined) return connect({ host, port, noDelay: true });
  const socket = connectTls({ ...tlsSettings(tls, host), host, port });
  socket.setNoDelay(true);
  return socket;
}

/** Where a socket leads, and how. */
export interface SocketOptions {
  readonly target: HostPort;
  /** Set: TLS. */
  readonly tls: TlsOptions | undefined;
  /** A proxy that finds the target by the server name of TLS. */
  readonly sniProxy?: HostPort | undefined;
}

/** Opens a socket. Rejects with `NOT_CONNECTED`, `INVALID_ARGUMENT`, or with the reason of the signal. */
export function openSocket({ target, tls, sniProxy }: SocketOptions, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const name = sniProxy === undefined ? formatHostPort(target) : `${formatHostPort(target)} through ${formatHostPort(sniProxy)}`;
  return new Promise((resolve, reject) => {
    const socket = connectSocket(target, tls, sniProxy);
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('connect', onReady).off('secureConnect', onReady).off('error', onError).off('close', onClose);
    };
    const onReady = (): void => {
      settle();
      resolve(socket);
    };
    const fail = (error: unknown): void => {
      settle();
      // A late error of a socket that nobody wants any more.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onError = (cause: Error & { readonly code?: string }): void => {
      const why = cause.message || cause.code || 'unknown error';
      fail(new PulsarError('NOT_CONNECTED', `cannot connect to ${name}: ${why}`, { cause }));
    };
    const onClose = (): void => fail(new PulsarError('NOT_CONNECTED', `${name} closed the connection at once`));
    const onAbort = (): void => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket
      .once(tls === undefined ? 'connect' : 'secureConnect', onReady)
      .once('error', onError)
      .once('close', onClose);
  });
}
