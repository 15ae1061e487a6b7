import { createServer } from 'node:net';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { formatAddress, type ListenAddress, listenError } from './address.ts';

/** A transport that listens. */
export interface Listener {
  /** Where, as clients write it. */
  readonly address: string;
  /** Takes no new connections; resolves when all calls are over and all connections closed. */
  drain(): Promise<void>;
  /** Cuts all connections. */
  cut(): void;
}

// grpc-js writes to stderr when it cannot bind. To find that out beforehand spares whoever runs this a second message.
async function probe(host: string, port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => server.close((error) => (error === undefined ? resolve() : reject(error))));
  });
}

/** Binds a gRPC server. */
export async function listenGrpc(
  server: Server,
  listen: ListenAddress & { readonly credentials?: ServerCredentials | undefined },
): Promise<Listener> {
  const { host = '127.0.0.1', port = 50_051, setting = 'grpc.port', credentials = ServerCredentials.createInsecure() } = listen;
  const address = formatAddress(host, port);
  const refused = (error: unknown): never => {
    throw listenError('gRPC', address, setting, error);
  };
  if (port !== 0) await probe(host, port).catch(refused);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, boundPort) => (error === null ? resolve(boundPort) : reject(error)));
  }).catch(refused);
  return {
    address: formatAddress(host, bound),
    drain: () =>
      new Promise((resolve, reject) => {
        server.tryShutdown((error) => (error === undefined ? resolve() : reject(error)));
      }),
    cut: () => server.forceShutdown(),
  };
}
