import { Client, credentials } from '@grpc/grpc-js';
import { OrderService } from '@paystream/core/contracts';

/** Places orders from this process. */
export interface LoadClient extends Disposable {
  /** Sends requests, so many at once, and resolves when all are answered, with the last answer. Rejects if one is refused. */
  place(requests: readonly Buffer[], inFlight: number): Promise<Buffer>;
}

const path = `/${OrderService.typeName}/${OrderService.method.createOrder.name}`;
const asItIs = (bytes: Buffer): Buffer => bytes;

/** Connects to servers of CreateOrder, which take turns. Bytes go out as they are given and come back unread: the client's own work is small and always the same. */
export function createLoadClient(...addresses: readonly [string, ...string[]]): LoadClient {
  const clients = addresses.map((address) => new Client(address, credentials.createInsecure()));
  return {
    place: (requests, inFlight) =>
      new Promise((resolve, reject) => {
        let started = 0;
        let done = 0;
        const next = (): void => {
          const client = clients[started % clients.length];
          const request = requests[started++];
          if (client === undefined || request === undefined) return;
          client.makeUnaryRequest(path, asItIs, asItIs, request, (error, answer) => {
            if (error !== null) {
              reject(error);
              return;
            }
            done += 1;
            if (done === requests.length) resolve(answer ?? Buffer.alloc(0));
            else next();
          });
        };
        for (let running = 0; running < inFlight; running++) next();
      }),
    [Symbol.dispose]: () => {
      for (const client of clients) client.close();
    },
  };
}
