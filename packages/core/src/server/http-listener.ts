import { createServer, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { formatAddress, type ListenAddress, listenError } from './address.ts';
import type { Listener } from './grpc-listener.ts';

/** Binds an HTTP/1.1 server. */
export async function listenHttp(handler: RequestListener, listen: ListenAddress): Promise<Listener> {
  const { host = '127.0.0.1', port = 3_000, setting = 'http.port' } = listen;
  const open = new Set<ServerResponse>();
  let draining = false;
  const server = createServer((request, response) => {
    open.add(response);
    if (draining) response.shouldKeepAlive = false;
    response.once('close', () => {
      open.delete(response);
      if (draining) server.closeIdleConnections();
    });
    handler(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError('HTTP', formatAddress(host, port), setting, error)));
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    address: `http://${formatAddress(host, bound)}`,
    drain: () => {
      draining = true;
      for (const response of open) response.shouldKeepAlive = false;
      return new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
      });
    },
    cut: () => server.closeAllConnections(),
  };
}
