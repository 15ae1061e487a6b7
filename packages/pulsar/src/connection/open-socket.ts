import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
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

function connectSocket({ host, port }: HostPort, tls: TlsOptions | undefined): Socket {
  if (tls === undefined) return connect({ host, port, noDelay: true });
  const socket = connectTls({ ...tlsSettings(tls, host), host, port });
  socket.setNoDelay(true);
  return socket;
}

/** Opens a socket, with TLS if options of it are given. Rejects with `NOT_CONNECTED`, or with the reason of the signal. */
export function openSocket(target: HostPort, tls: TlsOptions | undefined, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const socket = connectSocket(target, tls);
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
      fail(new PulsarError('NOT_CONNECTED', `cannot connect to ${formatHostPort(target)}: ${why}`, { cause }));
    };
    const onClose = (): void => fail(new PulsarError('NOT_CONNECTED', `${formatHostPort(target)} closed the connection at once`));
    const onAbort = (): void => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket
      .once(tls === undefined ? 'connect' : 'secureConnect', onReady)
      .once('error', onError)
      .once('close', onClose);
  });
}
