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

/** Binds a gRPC server. */
export async function listenGrpc(
  server: Server,
  listen: ListenAddress & { readonly credentials?: ServerCredentials | undefined },
): Promise<Listener> {
  const { host = '127.0.0.1', port = 50_051, setting = 'grpc.port', credentials = ServerCredentials.createInsecure() } = listen;
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(formatAddress(host, port), credentials, (error, boundPort) => {
      if (error === null) resolve(boundPort);
      else reject(listenError('gRPC', formatAddress(host, port), setting, error));
    });
  });
  return {
    address: formatAddress(host, bound),
    drain: () =>
      new Promise((resolve, reject) => {
        server.tryShutdown((error) => (error === undefined ? resolve() : reject(error)));
      }),
    cut: () => server.forceShutdown(),
  };
}
