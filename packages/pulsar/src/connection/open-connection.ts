import { PulsarError } from '../errors/pulsar-error.ts';
import { BrokerConnection, type ConnectionOptions, type PooledConnection } from './connection.ts';
import { connectCommand, credentialsOf } from './handshake.ts';
import { openSocket } from './open-socket.ts';

/** Opens a connection and shakes hands. Rejects with `NOT_CONNECTED`, `TIMEOUT`, `AUTHENTICATION`, or what else the broker says. */
export async function openConnection(options: ConnectionOptions, signal: AbortSignal): Promise<PooledConnection> {
  const { address, authentication, connectionTimeoutMs, emit } = options;
  const about = { scope: 'connection', broker: address.logical, address: address.physical } as const;
  emit({ ...about, type: 'connecting' });
  const giveUp = new AbortController();
  const stop = (): void => giveUp.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const timer = setTimeout(() => {
    giveUp.abort(new PulsarError('TIMEOUT', `no connection to ${address.physical} within ${connectionTimeoutMs} ms`));
  }, connectionTimeoutMs);
  let opened: BrokerConnection | undefined;
  try {
    const credentials = await unlessAborted(credentialsOf(authentication, { reason: 'connect', signal: giveUp.signal }), giveUp.signal);
    const socket = await openSocket(options, giveUp.signal);
    opened = new BrokerConnection(options, socket);
    const proxyTo = address.logical === address.physical ? undefined : address.logical;
    const welcome = await unlessAborted(opened.handshake(connectCommand(authentication.method, credentials, proxyTo)), giveUp.signal);
    emit({ ...about, type: 'connected', serverVersion: welcome.serverVersion });
    return opened;
  } catch (cause) {
    const error = PulsarError.is(cause) ? cause : new PulsarError('NOT_CONNECTED', `cannot connect to ${address.physical}`, { cause });
    opened?.close(error);
    emit({ ...about, type: 'failed', error });
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
