import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, type Telemetry } from '@paystream/core';
import { createOrderClient, type OrderClient } from '@paystream/order/client';
import { readConfig } from '../src/config/config.ts';
import { type Books, createBookReader, faultsIn } from '../src/load/books.ts';
import { type RunningStack, startStack } from '../src/stack.ts';

/** A stack in this process, on a data folder of its own that outlives its stops. */
export interface TestStack extends AsyncDisposable {
  readonly directory: string;
  readonly running: RunningStack;
  /** `http://127.0.0.1:…` */
  readonly http: string;
  /** `127.0.0.1:…` */
  readonly grpc: string;
  /** A client of the running stack; one more with each start. */
  readonly orders: OrderClient;
  /** Stops it, and starts it again on the same folder; on the same ports if asked, which somebody else may have taken. */
  restart(how?: { readonly samePorts: boolean }): Promise<void>;
  /** The books once nothing is wrong with them; as they are when that takes longer than 10 s. */
  books(): Promise<Books>;
}

/** An order that is paid. */
export const goodOrder = {
  merchantId: 'merchant-1',
  customer: { customerId: 'c-1', name: 'Ada Example', email: 'ada@example.org', phone: '+4930123456' },
  paymentMethod: { reference: 'pm_card_visa' },
  items: [{ productId: 'coffee-1kg', quantity: 2 }],
};

const waitMs = 25_000;

/** Resolves with what `look` gives as soon as it gives something; throws after 25 s, before the test is over. */
export async function eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  const end = systemClock.monotonic() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (systemClock.monotonic() > end) throw new Error(`${what}: not within ${waitMs} ms`);
    await systemClock.sleep(5);
  }
}

/** Starts a stack on free ports whose gateway answers at once. */
export async function createTestStack(
  settings: Readonly<Record<string, string>> = {},
  also: readonly Telemetry[] = [],
): Promise<TestStack> {
  const directory = await mkdtemp(join(tmpdir(), 'paystream-test-'));
  const config = readConfig({
    PAYSTREAM_DATA_DIR: join(directory, 'data'),
    PAYSTREAM_GRPC_PORT: '0',
    PAYSTREAM_HTTP_PORT: '0',
    PAYSTREAM_LOG_LEVEL: 'silent',
    PAYSTREAM_GATEWAY_LATENCY_MS: '0',
    ...settings,
  });
  const apiKey = config.PAYSTREAM_API_KEYS?.find(({ merchant }) => merchant === '*')?.key;
  const clientOf = ({ server }: RunningStack): OrderClient => createOrderClient({ baseUrl: `http://${server.grpcAddress}`, apiKey });
  let running = await startStack(config, undefined, also);
  let orders = clientOf(running);
  const stop = async (): Promise<void> => {
    await orders.close();
    await running.stop();
  };
  return {
    directory,
    get running() {
      return running;
    },
    get http() {
      return running.server.httpAddress ?? '';
    },
    get grpc() {
      return running.server.grpcAddress ?? '';
    },
    get orders() {
      return orders;
    },
    restart: async (how) => {
      const { grpcAddress, httpAddress } = running.server;
      const portOf = (address = ''): number => Number(address.slice(address.lastIndexOf(':') + 1));
      const ports = { PAYSTREAM_GRPC_PORT: portOf(grpcAddress), PAYSTREAM_HTTP_PORT: portOf(httpAddress) };
      await stop();
      running = await startStack(how?.samePorts === true ? { ...config, ...ports } : config);
      orders = clientOf(running);
    },
    books: async () => {
      const reader = createBookReader({ target: running.server.grpcAddress ?? '', apiKey, clock: systemClock });
      const end = systemClock.monotonic() + waitMs;
      for (;;) {
        const books = await reader.read();
        if (faultsIn(books).length === 0 || systemClock.monotonic() > end) return books;
        await systemClock.sleep(20);
      }
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
