import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { OrderService, WalletService } from '../contracts/index.ts';
import { apiKeys, hashApiKey } from '../rpc/authenticator.ts';
import { errorFromRpc } from '../rpc/from-rpc-error.ts';
import { defineRpcService } from '../rpc/port.ts';
import { createMemoryTelemetry } from '../testing/memory-telemetry.ts';
import { createRpcServer, type RpcServerOptions } from './server.ts';
import { raw } from './test-clients.ts';

const getWallet = '/paystream.wallet.v1.WalletService/GetWallet';
const watchOrder = '/paystream.order.v1.OrderService/WatchOrder';
const traceId = '0af7651916cd43dd8448eb211c80319c';
const headers = { authorization: 'Bearer secret-one', traceparent: `00-${traceId}-b7ad6b7169203331-01` };
const authenticate = apiKeys([{ id: 'shop', sha256: hashApiKey('secret-one'), merchants: ['m1'] }]);

const unused = async (): Promise<object> => ({});
const wallets = defineRpcService(WalletService, { getWallet: unused, getTrialBalance: unused });
const orders = defineRpcService(OrderService, {
  ...{ createOrder: unused, getOrder: unused, listOrders: unused, waitOrder: unused, cancelOrder: unused },
  watchOrder: async function* () {
    yield {};
  },
});

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function start(options: Partial<RpcServerOptions> = {}) {
  const telemetry = createMemoryTelemetry();
  const health = async () => ({ ready: true, components: [] });
  const server = await createRpcServer({
    ...{ services: [wallets, orders], grpc: { port: 0 }, http: { port: 0 }, health, telemetry, maxRequestBytes: 1_000 },
    ...options,
  });
  const client = new Client(server.grpcAddress ?? '', credentials.createInsecure());
  cleanups.push(
    () => server.close(0),
    () => client.close(),
  );
  const metadata = (given: Readonly<Record<string, string>>): Metadata => {
    const made = new Metadata();
    for (const [name, value] of Object.entries(given)) made.set(name, value);
    return made;
  };
  return {
    telemetry,
    /** The code of the answer over gRPC. */
    grpc: (bytes: Uint8Array, given: Readonly<Record<string, string>> = headers): Promise<string> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(getWallet, raw, raw, Buffer.from(bytes), metadata(given), (error) =>
          resolve(error === null ? 'OK' : errorFromRpc(error).code),
        );
      }),
    /** The same of a stream. */
    grpcStream: (bytes: Uint8Array): Promise<string> =>
      new Promise((resolve) => {
        const stream = client.makeServerStreamRequest(watchOrder, raw, raw, Buffer.from(bytes), metadata(headers));
        stream.on('data', () => undefined);
        stream.once('error', (error) => resolve(errorFromRpc(error).code));
        stream.once('end', () => resolve('OK'));
      }),
    /** The status and the body of the answer over Connect. */
    connect: async (path: string, body: string, given: Readonly<Record<string, string>> = headers): Promise<string> => {
      const type = path === watchOrder ? 'application/connect+json' : 'application/json';
      const answer = await fetch(`${server.httpAddress}${path}`, { method: 'POST', body, headers: { 'content-type': type, ...given } });
      return `${answer.status} ${await answer.text()}`;
    },
  };
}

const good = Uint8Array.of(10, 2, 0x6d, 0x31);
const malformed = Uint8Array.of(0xff);

describe('a call that is refused before its handler', () => {
  it('is measured and traced as every other: malformed or too large, over gRPC and Connect', async () => {
    const { telemetry, grpc, connect } = await start();
    expect(await grpc(good)).toBe('OK');
    expect(await grpc(malformed)).toBe('INVALID_ARGUMENT');
    expect(await grpc(new Uint8Array(2_000))).toBe('RESOURCE_EXHAUSTED');
    expect(await connect(getWallet, '{')).toMatch(/^400 .*REQUEST_MALFORMED/);
    expect(await connect(getWallet, `{"merchantId":"${'m'.repeat(2_000)}"}`)).toMatch(/^429 .*REQUEST_TOO_LARGE/);
    const observed = (code: string): number => telemetry.observations('paystream_rpc_seconds', { method: getWallet, code }).length;
    expect([observed('OK'), observed('INVALID_ARGUMENT'), observed('RESOURCE_EXHAUSTED')]).toEqual([1, 2, 2]);
    expect(telemetry.spans.map(({ traceparent, ended }) => [traceparent.split('-')[1], ended])).toEqual(Array(5).fill([traceId, true]));
    expect(telemetry.gaugeValue('paystream_rpc_in_flight')).toBe(0);
  });

  it('is measured on a stream too', async () => {
    const { telemetry, grpcStream, connect } = await start();
    expect(await grpcStream(malformed)).toBe('INVALID_ARGUMENT');
    expect(await connect(watchOrder, '\0\0\0\0\u0001{')).toMatch(/^200 .*REQUEST_MALFORMED/s);
    expect(telemetry.observations('paystream_rpc_seconds', { method: watchOrder, code: 'INVALID_ARGUMENT' })).toHaveLength(2);
  });

  it('tells a stranger nothing of why', async () => {
    const { grpc, connect, telemetry } = await start({ authenticate });
    expect(await grpc(malformed, {})).toBe('UNAUTHENTICATED');
    expect(await connect(getWallet, '{', {})).toMatch(/^401 .*API_KEY_MISSING/);
    expect(await grpc(malformed)).toBe('INVALID_ARGUMENT');
    expect(await connect(getWallet, '{')).toMatch(/^400 .*REQUEST_MALFORMED/);
    expect(telemetry.observations('paystream_rpc_seconds', { code: 'UNAUTHENTICATED' })).toHaveLength(2);
  });
});
