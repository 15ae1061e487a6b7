import { createConsumer, createProducer } from '@paystream/core';
import { OrderState, paystreamTopics } from '@paystream/core/contracts';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { apiKeys, hashApiKey } from '@paystream/core/rpc';
import { describe, expect, it } from 'vitest';
import { staticCatalog } from '../catalog/static-catalog.ts';
import { createOrderServer } from '../server/order-server.ts';
import { createOrderService } from '../service/order-service.ts';
import type { RunningOrderService } from '../service/port.ts';
import { errorOf, products, settled, teaOrder, transaction } from '../testing/fixtures.ts';
import { createOrderClient } from './order-client.ts';
import type { OrderClient, OrderClientOptions } from './port.ts';
import { loadDriver } from './transport.ts';

type Server = Awaited<ReturnType<typeof createOrderServer>>;
type Protocol = NonNullable<OrderClientOptions['protocol']>;

const authenticate = apiKeys([{ id: 'shop', sha256: hashApiKey('secret'), merchants: ['m-1'] }]);

/** A service whose orders are paid as soon as they are placed, unless their request id says `unpaid`. */
async function startService(stack: AsyncDisposableStack): Promise<RunningOrderService> {
  const topics = paystreamTopics();
  const broker = await createEmbeddedBroker();
  stack.defer(() => broker.close());
  const database = await createSqliteDatabase({ path: ':memory:' });
  stack.defer(() => database.close());
  const transactions = await createProducer(broker, topics.transactions);
  const payer = await createConsumer(broker, topics.orders, {
    subscription: 'payer',
    handler: async ({ event }) => {
      const order = event.case === 'placed' ? event.value.order : undefined;
      if (order?.requestId.startsWith('unpaid') === false)
        await transactions.send(transaction(order, 1, settled(order.total?.units ?? 0n)));
    },
  });
  stack.defer(() => payer.close());
  return stack.use(await createOrderService({ database, broker, catalog: staticCatalog(products) }));
}

function portOf(address: string | undefined): number {
  return Number(address?.slice(address.lastIndexOf(':') + 1));
}

async function serve(service: RunningOrderService, protocol: Protocol, port = 0): Promise<{ server: Server; port: number }> {
  const server = await createOrderServer({
    service,
    authenticate,
    grpc: protocol === 'grpc' && { port },
    http: protocol === 'connect' && { port },
    reflection: false,
  });
  return { server, port: portOf(protocol === 'grpc' ? server.grpcAddress : server.httpAddress) };
}

function connect(stack: AsyncDisposableStack, protocol: Protocol, port: number, options: Partial<OrderClientOptions> = {}): OrderClient {
  const baseUrl = `http://127.0.0.1:${port}`;
  return stack.use(createOrderClient({ baseUrl, protocol, apiKey: 'secret', attempts: 200, retryDelayMs: 5, ...options }));
}

describe.each(['grpc', 'connect'] as const)('a client over %s', (protocol) => {
  it('places an order and gets its result, without naming a request id', async () => {
    await using stack = new AsyncDisposableStack();
    const { server, port } = await serve(await startService(stack), protocol);
    stack.use(server);
    const client = connect(stack, protocol, port);
    const order = await client.placeAndWait(teaOrder(''), { timeoutMs: 20_000 });
    expect(order).toMatchObject({ state: OrderState.PAID, total: { units: 900n } });
    expect(order.requestId).not.toBe('');
    const { orderId, merchantId } = order;
    expect(await client.getOrder({ orderId, merchantId })).toEqual(order);
    expect((await client.listOrders({ merchantId })).orders).toEqual([order]);
    expect(await client.waitOrder({ orderId, merchantId })).toMatchObject({ final: true });
  });

  it('loses no order and places none twice while the server restarts, and goes on watching', async () => {
    await using stack = new AsyncDisposableStack();
    const service = await startService(stack);
    const first = await serve(service, protocol);
    const client = connect(stack, protocol, first.port);
    const { orderId, merchantId } = await client.createOrder(teaOrder('unpaid-1'));
    const versions: bigint[] = [];
    const watch = client.watchOrder({ orderId, merchantId })[Symbol.asyncIterator]();
    versions.push((await watch.next()).value?.version);
    await first.server.close();
    const calls = Array.from({ length: 10 }, (_, i) => client.createOrder(teaOrder(`r-${i}`)));
    const next = watch.next();
    stack.use((await serve(service, protocol, first.port)).server);
    const placed = await Promise.all(calls);
    expect(new Set(placed.map((order) => order.orderId)).size).toBe(10);
    expect((await client.listOrders({ merchantId })).orders).toHaveLength(11);
    await client.cancelOrder({ orderId, merchantId });
    versions.push((await next).value?.version);
    await watch.return?.();
    expect(versions).toEqual([1n, 2n]);
  });

  it("gets the service's own errors: code, reason, details and fields", async () => {
    await using stack = new AsyncDisposableStack();
    const { server, port } = await serve(await startService(stack), protocol);
    stack.use(server);
    const client = connect(stack, protocol, port);
    const zero = await errorOf(client.createOrder(teaOrder('r-1', { items: [{ productId: 'tea', quantity: 0 }] })));
    expect(zero).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'REQUEST_INVALID', details: { requestId: 'r-1' } });
    expect(zero.violations.map(({ field }) => field)).toEqual(['items[0].quantity']);
    const currency = await errorOf(client.createOrder(teaOrder('r-2', { currency: 'XXQ' })));
    expect(currency).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'UNKNOWN_CURRENCY', violations: [{ field: 'currency' }] });
    const huge = Array.from({ length: 100_000 }, () => ({ productId: 'tea', quantity: 1 }));
    expect(['INVALID_ARGUMENT', 'RESOURCE_EXHAUSTED']).toContain(
      (await errorOf(client.createOrder(teaOrder('r-3', { items: huge })))).code,
    );
    const other = teaOrder('r-4', { merchantId: 'm-2', items: [{ productId: 'pen', quantity: 1 }] });
    expect((await errorOf(client.createOrder(other))).code).toBe('PERMISSION_DENIED');
    const watch = client.watchOrder({ orderId: 'o', merchantId: 'm-2' })[Symbol.asyncIterator]();
    expect((await errorOf(watch.next())).code).toBe('PERMISSION_DENIED');
    const stranger = connect(stack, protocol, port, { apiKey: 'guess' });
    expect((await errorOf(stranger.createOrder(teaOrder('r-5')))).code).toBe('UNAUTHENTICATED');
  });

  it('says UNAVAILABLE and by which id to try again when no one listens', async () => {
    await using stack = new AsyncDisposableStack();
    const { server, port } = await serve(await startService(stack), protocol);
    await server.close();
    const error = await errorOf(connect(stack, protocol, port, { attempts: 2 }).createOrder(teaOrder('r-1')));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', details: { requestId: 'r-1' } });
  });

  it('can be ended while it waits', async () => {
    await using stack = new AsyncDisposableStack();
    const { server, port } = await serve(await startService(stack), protocol);
    stack.use(server);
    const client = connect(stack, protocol, port);
    const { orderId, merchantId } = await client.createOrder(teaOrder('unpaid-1'));
    const gone = new AbortController();
    const waiting = errorOf(client.waitOrder({ orderId, merchantId }, { signal: gone.signal }));
    await client.getOrder({ orderId, merchantId });
    gone.abort();
    expect((await waiting).code).toBe('CANCELED');
  });
});

describe('a client that cannot work', () => {
  it('names the package to install', async () => {
    const missing = 'no-such-driver-anywhere';
    const error = await errorOf(loadDriver(missing, () => import(missing)));
    expect(error).toMatchObject({ code: 'FAILED_PRECONDITION', reason: 'PACKAGE_MISSING' });
    expect(error.message).toContain(`npm install ${missing}`);
  });

  it('says what a base URL looks like', () => {
    expect(() => createOrderClient({ baseUrl: 'localhost:50051' })).toThrow('http://localhost:50051');
  });
});
