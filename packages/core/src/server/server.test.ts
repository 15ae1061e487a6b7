import { createServer } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { OrderService, WalletService } from '../contracts/index.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { Health } from '../gen/grpc/health/v1/health_pb.ts';
import { apiKeys, hashApiKey } from '../rpc/authenticator.ts';
import { defineRpcService, type RpcContext } from '../rpc/port.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createRpcServer, type RpcServer, type RpcServerOptions } from './server.ts';
import { raw, type TestClient, testClients } from './test-clients.ts';

const { watchOrder, waitOrder } = OrderService.method;
const { getWallet } = WalletService.method;

const wallets = defineRpcService(WalletService, {
  getWallet: async ({ merchantId }) => ({ wallets: [{ merchantId }] }),
  getTrialBalance: async () => ({}),
});

/** An order service whose waits end when told to, and whose watches never end. */
function slowOrders() {
  const contexts: RpcContext[] = [];
  const finish = Promise.withResolvers<void>();
  const unused = async (): Promise<never> => {
    throw new PaystreamError('UNSUPPORTED', 'not in this test', { reason: 'UNUSED' });
  };
  const service = defineRpcService(OrderService, {
    createOrder: unused,
    getOrder: unused,
    listOrders: unused,
    cancelOrder: unused,
    waitOrder: async (_request, context) => {
      contexts.push(context);
      await finish.promise;
      return { final: true };
    },
    watchOrder: async function* (_request, context) {
      contexts.push(context);
      yield {};
      await new Promise(() => undefined);
    },
  });
  return { service, contexts, finish: finish.resolve };
}

const ready = async () => ({ ready: true, components: [] });
const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function start(options: Partial<RpcServerOptions> = {}): Promise<{ server: RpcServer; clients: Record<string, TestClient> }> {
  const server = await createRpcServer({ services: [wallets], grpc: { port: 0 }, http: { port: 0 }, health: ready, ...options });
  const clients = testClients(server.grpcAddress ?? '127.0.0.1:1', server.httpAddress ?? '');
  cleanups.push(
    () => server.close(0),
    () => {
      for (const client of Object.values(clients)) client.close();
    },
  );
  return { server, clients };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

describe('listening', () => {
  async function takenPort(): Promise<number> {
    const taken = createServer().listen(0, '127.0.0.1');
    cleanups.push(() => void taken.close());
    await new Promise((resolve) => taken.once('listening', resolve));
    return (taken.address() as { port: number }).port;
  }

  it.each(['grpc', 'http'] as const)('says which address is taken and which setting moves it (%s)', async (kind) => {
    const port = await takenPort();
    const error = await start({ [kind]: { port, setting: 'PAYSTREAM_PORT' } }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'ADDRESS_IN_USE', details: { address: `127.0.0.1:${port}` } });
    expect((error as Error).message).toMatch(/PAYSTREAM_PORT/);
    expect((error as Error).message.includes('an outgoing connection')).toBe(port >= 32_768);
  });

  it('leaves no half of a server behind when the other half cannot start', async () => {
    const httpPort = await takenPort();
    const free = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => free.once('listening', resolve));
    const grpcPort = (free.address() as { port: number }).port;
    await new Promise((resolve) => free.close(resolve));
    await expect(start({ grpc: { port: grpcPort }, http: { port: httpPort } })).rejects.toMatchObject({ reason: 'ADDRESS_IN_USE' });
    const { server } = await start({ grpc: { port: grpcPort }, http: false });
    expect(server).toMatchObject({ grpcAddress: `127.0.0.1:${grpcPort}`, httpAddress: undefined });
  });

  it.each([{ grpc: { host: '0.0.0.0', port: 0 } }, { http: { host: '::', port: 0 } }])(
    'does not open %j to other machines unauthenticated',
    async (where) => {
      const error = await start(where).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'UNAUTHENTICATED_EXPOSURE' });
      await start({ ...where, allowUnauthenticated: true });
      await start({ ...where, authenticate: apiKeys([{ id: 'a', sha256: hashApiKey('k'), merchants: 'all' }]) });
    },
  );

  describe('on a gRPC server of the caller', () => {
    async function host(): Promise<{ mine: Server; grpc: TestClient }> {
      const mine = new Server();
      cleanups.push(() => mine.forceShutdown());
      const port = await new Promise<number>((resolve, reject) => {
        mine.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
      });
      const { grpc } = testClients(`127.0.0.1:${port}`, 'http://localhost');
      cleanups.push(() => grpc.close());
      return { mine, grpc };
    }

    it('adds its services, and leaves the server to the caller', async () => {
      const { mine, grpc } = await host();
      const { server } = await start({ grpc: { server: mine } });
      expect(server.grpcAddress).toBeUndefined();
      expect((await grpc.unary(getWallet, { merchantId: 'm1' })).wallets).toHaveLength(1);
      await server.close();
      await expect(grpc.unary(getWallet, { merchantId: 'm1' })).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVER_STOPS' });
    });

    it('waits for running calls when it is closed', async () => {
      const clock = createVirtualClock({ quietTurns: 20 });
      const { mine, grpc } = await host();
      const { service, contexts, finish } = slowOrders();
      const { server } = await start({ services: [service], grpc: { server: mine }, http: false, clock });
      const running = grpc.unary(waitOrder, { orderId: 'o1', merchantId: 'm1' });
      await until(() => contexts.length === 1);
      let isClosed = false;
      const closed = server.close(5_000).then(() => {
        isClosed = true;
      });
      await clock.advance(4_000);
      expect(isClosed).toBe(false);
      finish();
      expect(await running).toMatchObject({ final: true });
      await clock.advance(100);
      expect(isClosed).toBe(true);
      await closed;
    });

    it('cuts calls that still run when its time is up', async () => {
      const clock = createVirtualClock({ quietTurns: 20 });
      const { mine, grpc } = await host();
      const { service, contexts } = slowOrders();
      const { server } = await start({ services: [service], grpc: { server: mine }, http: false, clock });
      const running = grpc.unary(waitOrder, { orderId: 'o1', merchantId: 'm1' }).catch((thrown: unknown) => thrown);
      await until(() => contexts.length === 1);
      const closed = server.close(5_000);
      await clock.advance(5_000);
      expect(await running).toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVER_STOPS' });
      await clock.advance(1_000);
      await closed;
    });

    it('says which setting leaves health or reflection to the caller who has it, and adds nothing', async () => {
      const { mine, grpc } = await host();
      await start({ services: [], grpc: { server: mine }, http: false });
      const error = await start({ grpc: { server: mine } }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'FAILED_PRECONDITION',
        reason: 'GRPC_SERVICE_TAKEN',
        details: { service: 'grpc.health.v1.Health', setting: 'grpc.health' },
      });
      await expect(start({ grpc: { server: mine, health: false } })).rejects.toMatchObject({ details: { setting: 'reflection' } });
      await expect(grpc.unary(getWallet, { merchantId: 'm1' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
      await start({ grpc: { server: mine, health: false }, reflection: false });
      expect((await grpc.unary(getWallet, { merchantId: 'm1' })).wallets).toHaveLength(1);
      await expect(start({ grpc: { server: mine, health: false }, reflection: false })).rejects.toMatchObject({
        reason: 'GRPC_SERVICE_TAKEN',
        details: { service: 'paystream.wallet.v1.WalletService' },
      });
    });
  });
});

describe('reflection and health', () => {
  it.each(['v1', 'v1alpha'])('tells tools what it serves (%s)', async (version) => {
    const { server } = await start();
    const client = new Client(server.grpcAddress ?? '', credentials.createInsecure());
    cleanups.push(() => client.close());
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      raw,
      raw,
    );
    const ask = async (field: number, text: string): Promise<string> => {
      call.write(Buffer.concat([Buffer.from([(field << 3) | 2, text.length]), Buffer.from(text)]));
      return new Promise((resolve, reject) => {
        call.once('data', (answer: Buffer) => resolve(answer.toString('latin1')));
        call.once('error', reject);
      });
    };
    const listed = await ask(7, '*');
    expect(listed).toContain('paystream.wallet.v1.WalletService');
    expect(listed).toContain('grpc.health.v1.Health');
    expect(await ask(4, 'paystream.wallet.v1.WalletService')).toContain('google/protobuf/timestamp.proto');
    expect(await ask(4, 'google.rpc.ErrorInfo')).toContain('RetryInfo');
    call.end();
  });

  it('reports health to load balancers, and each change of it', async () => {
    const clock = createVirtualClock({ quietTurns: 20 });
    let isReady = true;
    const { clients } = await start({ clock, health: async () => ({ ready: isReady, components: [] }) });
    const { grpc } = clients;
    const { check, watch, list } = Health.method;
    expect(await grpc!.unary(check, { service: '' })).toMatchObject({ status: 1 });
    expect(await grpc!.unary(check, { service: 'paystream.wallet.v1.WalletService' })).toMatchObject({ status: 1 });
    expect(Object.keys((await grpc!.unary(list, {})).statuses)).toEqual(['', 'paystream.wallet.v1.WalletService']);
    await expect(grpc!.unary(check, { service: 'nothing' })).rejects.toMatchObject({ code: 'NOT_FOUND' });

    const states: number[] = [];
    const leaving = new AbortController();
    const watching = (async () => {
      for await (const { status } of grpc!.stream(watch, {}, { signal: leaving.signal })) states.push(status);
    })();
    await until(() => states.length === 1);
    isReady = false;
    await clock.advance(1_000);
    await until(() => states.length === 2);
    expect(states).toEqual([1, 2]);
    leaving.abort();
    await expect(watching).rejects.toMatchObject({ code: 'CANCELED' });
  });

  it('answers /healthz, /readyz with each component, and /metrics', async () => {
    let isReady = true;
    const components = [{ name: 'orders', state: 'ready' as const }];
    const { server } = await start({ health: async () => ({ ready: isReady, components }), metrics: async () => 'up 1\n' });
    const get = (path: string): Promise<Response> => fetch(`${server.httpAddress}${path}`);
    expect((await get('/healthz')).status).toBe(200);
    expect(await (await get('/readyz')).json()).toEqual({ ready: true, components });
    isReady = false;
    expect((await get('/readyz')).status).toBe(503);
    const metrics = await get('/metrics');
    expect(metrics.headers.get('content-type')).toContain('version=0.0.4');
    expect(await metrics.text()).toBe('up 1\n');
  });
});

describe('close', () => {
  const call = { orderId: 'o1', merchantId: 'm1' };

  it.each(['grpc', 'connect'])(
    'lets running calls finish, takes no new ones, ends watches so that clients reconnect (%s)',
    async (name) => {
      const { service, contexts, finish } = slowOrders();
      const { server, clients } = await start({ services: [service] });
      const client = clients[name]!;
      const running = client.unary(waitOrder, call);
      const watched = (async () => {
        for await (const _ of client.stream(watchOrder, call)) await turn();
      })().catch((thrown: unknown) => thrown);
      await until(() => contexts.length === 2);
      const waiting = contexts.find(({ method }) => method.endsWith('WaitOrder'));

      const closed = server.close();
      expect(await watched).toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVER_STOPS', retryable: true });
      expect(waiting?.stopping?.aborted).toBe(true);
      expect(waiting?.signal.aborted).toBe(false);
      await expect(client.unary(waitOrder, call)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await expect(server.check?.()).rejects.toMatchObject({ reason: 'SERVER_STOPS' });

      finish();
      expect(await running).toMatchObject({ final: true });
      await closed;
      await server.close();
    },
  );

  it.each(['grpc', 'connect'])('cuts what still runs when its time is up (%s)', async (name) => {
    const clock = createVirtualClock({ quietTurns: 20 });
    const { service, contexts } = slowOrders();
    const { server, clients } = await start({ services: [service], clock });
    const running = clients[name]!.unary(waitOrder, call).catch((thrown: unknown) => thrown);
    await until(() => contexts.length === 1);
    const closed = server.close(5_000);
    await clock.advance(4_999);
    expect(contexts[0]?.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(contexts[0]?.signal.aborted).toBe(true);
    expect(await running).toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVER_STOPS' });
    await clock.advance(1_000);
    await closed;
  });
});
