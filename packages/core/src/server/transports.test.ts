import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OrderService, OrderState, WalletService } from '../contracts/index.ts';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { apiKeys, hashApiKey } from '../rpc/authenticator.ts';
import { grpcCodeOf } from '../rpc/codes.ts';
import { defineRpcService, type RpcContext } from '../rpc/port.ts';
import { requireMerchant } from '../rpc/principal.ts';
import { createRpcServer, type RpcServer } from './server.ts';
import { type TestClient, testClients } from './test-clients.ts';

const { getWallet, getTrialBalance } = WalletService.method;
const { createOrder, getOrder, watchOrder, waitOrder } = OrderService.method;

/** What the handlers saw, for the tests to look at. */
const seen: { contexts: RpcContext[]; logged: object[]; yielded: number; closed: number } = {
  contexts: [],
  logged: [],
  yielded: 0,
  closed: 0,
};
const logger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (fields) => seen.logged.push(fields),
  error: (fields) => seen.logged.push(fields),
};

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });

const wallets = defineRpcService(WalletService, {
  getWallet: async ({ merchantId }, context) => {
    seen.contexts.push(context);
    requireMerchant(context, merchantId);
    return { wallets: [{ merchantId, sales: 3n, balance: { currency: 'EUR', units: 9_007_199_254_740_993n } }] };
  },
  getTrialBalance: async () => {
    throw new TypeError('password=hunter2 at 10.0.0.7');
  },
});

const orders = defineRpcService(OrderService, {
  createOrder: async (request) => ({ order: { requestId: request.requestId, state: OrderState.PENDING } }),
  // The order's id says how to fail.
  getOrder: async ({ orderId }) => {
    throw new PaystreamError(orderId as ErrorCode, `fails with ${orderId}, naïvely 😀`, {
      reason: `TEST_${orderId}`,
      details: { orderId },
    });
  },
  listOrders: async () => ({ orders: [] }),
  waitOrder: async (_request, context) => {
    seen.contexts.push(context);
    return aborted(context.signal);
  },
  watchOrder: async function* ({ orderId, afterVersion }, context) {
    seen.contexts.push(context);
    try {
      for (let version = afterVersion + 1n; version <= 3n; version += 1n) {
        seen.yielded += 1;
        yield { event: { case: 'order', value: { orderId, version } } };
      }
      if (orderId === 'fails') throw new PaystreamError('ABORTED', 'broke off', { reason: 'TEST_BROKE_OFF' });
      if (orderId === 'hangs') await aborted(context.signal);
    } finally {
      seen.closed += 1;
    }
  },
  cancelOrder: async () => ({}),
});

const goodOrder = {
  requestId: 'r-1',
  merchantId: 'm1',
  customer: { customerId: 'c1', name: 'Jane', email: 'jane@example.org' },
  paymentMethod: { reference: 'pm_card_visa' },
  items: [{ productId: 'p1', quantity: 1 }],
};

let server: RpcServer;
let clients: Record<string, TestClient>;
const headers = { authorization: 'Bearer secret-one' };

beforeAll(async () => {
  server = await createRpcServer({
    services: [wallets, orders],
    grpc: { port: 0 },
    http: { port: 0 },
    health: async () => ({ ready: true, components: [] }),
    authenticate: apiKeys([{ id: 'shop', sha256: hashApiKey('secret-one'), merchants: ['m1'] }]),
    maxRequestBytes: 65_536,
    logger,
  });
  clients = testClients(server.grpcAddress ?? '', server.httpAddress ?? '');
});
afterAll(async () => {
  for (const client of Object.values(clients)) client.close();
  await server.close();
});

async function failure(promise: Promise<unknown>): Promise<PaystreamError> {
  return promise.then(
    () => {
      throw new Error('it should have failed');
    },
    (error: unknown) => {
      expect(error).toBeInstanceOf(PaystreamError);
      return error as PaystreamError;
    },
  );
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

async function collect<T>(source: AsyncIterable<T>, into: T[]): Promise<void> {
  for await (const item of source) into.push(item);
}

describe.each(['grpc', 'connect', 'connect-json', 'grpc-web'])('over %s', (name) => {
  const client = (): TestClient => clients[name]!;

  it('answers a good request, large integers exact', async () => {
    const answer = await client().unary(getWallet, { merchantId: 'm1' }, { headers });
    expect(answer.wallets[0]).toMatchObject({ merchantId: 'm1', sales: 3n, balance: { units: 9_007_199_254_740_993n } });
  });

  it('tells the handler who calls, and hands it headers and trace', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await client().unary(
      getWallet,
      { merchantId: 'm1' },
      { headers: { ...headers, traceparent, tracestate: 'shop=1', 'x-tenant': 'blue' } },
    );
    const context = seen.contexts.at(-1)!;
    expect(context.principal).toEqual({ id: 'shop', merchants: new Set(['m1']) });
    expect(context.method).toBe('/paystream.wallet.v1.WalletService/GetWallet');
    expect(context.traceparent).toBe(traceparent);
    expect(context.tracestate).toBe('shop=1');
    expect(context.header('x-tenant')).toBe('blue');
    expect(context.header('x-none')).toBeUndefined();
    expect(context.deadlineMs).toBeUndefined();
  });

  it.each([
    [{}, 'API_KEY_MISSING'],
    [{ authorization: 'Bearer wrong' }, 'API_KEY_UNKNOWN'],
  ])('refuses a caller with the headers %j', async (wrong, reason) => {
    const error = await failure(client().unary(getWallet, { merchantId: '' }, { headers: wrong }));
    expect(error).toMatchObject({ code: 'UNAUTHENTICATED', reason });
  });

  it('lets nobody act for a merchant that is not theirs', async () => {
    const error = await failure(client().unary(getWallet, { merchantId: 'm2' }, { headers }));
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED', reason: 'MERCHANT_FORBIDDEN', details: { merchantId: 'm2' } });
  });

  it('names every field that breaks a rule', async () => {
    const bad = {
      ...goodOrder,
      currency: 'euro',
      items: [{ productId: 'p1', quantity: 0 }],
      customer: { customerId: 'c', name: 'J', email: '-' },
    };
    const error = await failure(client().unary(createOrder, bad, { headers }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'REQUEST_INVALID', retryable: false });
    expect(error.violations.map(({ field }) => field)).toEqual(['customer.email', 'items[0].quantity', 'currency']);
    expect(error.violations[1]?.description).toContain('greater than or equal to 1');
  });

  it.each<ErrorCode>([
    'NOT_FOUND',
    'ALREADY_EXISTS',
    'FAILED_PRECONDITION',
    'ABORTED',
    'RESOURCE_EXHAUSTED',
    'UNSUPPORTED',
    'PERMISSION_DENIED',
  ])('brings %s to the client with its reason and details', async (code) => {
    const error = await failure(client().unary(getOrder, { orderId: code, merchantId: 'm1' }, { headers }));
    expect(error).toMatchObject({ code, reason: `TEST_${code}`, message: `fails with ${code}, naïvely 😀`, details: { orderId: code } });
  });

  it('hides what a fault of ours says, and logs it, with its trace, under an id that the client is told', async () => {
    seen.logged = [];
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const error = await failure(client().unary(getTrialBalance, {}, { headers: { ...headers, traceparent } }));
    expect(error).toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL_ERROR' });
    expect(JSON.stringify([error.message, error.details])).not.toMatch(/hunter2|10\.0\.0\.7/);
    expect(seen.logged).toEqual([expect.objectContaining({ errorId: error.details['errorId'], traceparent, err: expect.any(TypeError) })]);
  });

  it('hides where a part that is away should be', async () => {
    const error = await failure(client().unary(getOrder, { orderId: 'UNAVAILABLE', merchantId: 'm1' }, { headers }));
    expect(error).toMatchObject({ code: 'UNAVAILABLE', reason: 'TEST_UNAVAILABLE', retryable: true });
    expect(error.message).not.toContain('fails with');
  });

  it('refuses a request that is too large', async () => {
    const error = await failure(client().unary(getWallet, { merchantId: 'm'.repeat(100_000) }, { headers }));
    expect(error).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      reason: 'REQUEST_TOO_LARGE',
      details: { maxBytes: '65536' },
      retryable: false,
    });
  });

  it('ends a call when the time that its client gave it is up', async () => {
    const error = await failure(client().unary(waitOrder, { orderId: 'o', merchantId: 'm1' }, { headers, timeoutMs: 50 }));
    expect(error.code).toBe('DEADLINE_EXCEEDED');
    const context = seen.contexts.at(-1)!;
    expect(context.deadlineMs).toBeGreaterThan(0);
    await until(() => context.signal.aborted);
    // The client's clock and the server's run side by side: whichever is first.
    expect(['DEADLINE_PASSED', 'CLIENT_GONE']).toContain(context.signal.reason.reason);
  });

  it('tells the handler that its client has gone', async () => {
    const before = seen.contexts.length;
    const leaving = new AbortController();
    const call = failure(client().unary(waitOrder, { orderId: 'o', merchantId: 'm1' }, { headers, signal: leaving.signal }));
    await until(() => seen.contexts.length > before);
    leaving.abort();
    expect((await call).code).toBe('CANCELED');
    const { signal } = seen.contexts.at(-1)!;
    await until(() => signal.aborted);
    expect(signal.reason).toMatchObject({ code: 'CANCELED', reason: 'CLIENT_GONE' });
  });

  it('streams in order, to the end', async () => {
    const events: unknown[] = [];
    await collect(client().stream(watchOrder, { orderId: 'ends', merchantId: 'm1', afterVersion: 1n }, { headers }), events);
    expect(events).toMatchObject([{ event: { value: { version: 2n } } }, { event: { value: { version: 3n } } }]);
  });

  it('brings the messages before an error, then the error', async () => {
    const events: unknown[] = [];
    const error = await failure(collect(client().stream(watchOrder, { orderId: 'fails', merchantId: 'm1' }, { headers }), events));
    expect(events).toHaveLength(3);
    expect(error).toMatchObject({ code: 'ABORTED', reason: 'TEST_BROKE_OFF' });
  });

  it('refuses a stream as it refuses a call', async () => {
    const error = await failure(collect(client().stream(watchOrder, { orderId: '', merchantId: 'm1' }, { headers }), []));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', violations: [{ field: 'order_id' }] });
    const stranger = await failure(collect(client().stream(watchOrder, { orderId: 'o', merchantId: 'm1' }, {}), []));
    expect(stranger.code).toBe('UNAUTHENTICATED');
  });

  it('closes the handler of a stream whose client has gone', async () => {
    const { closed } = seen;
    const leaving = new AbortController();
    const watching = client().stream(watchOrder, { orderId: 'hangs', merchantId: 'm1' }, { headers, signal: leaving.signal });
    const events: unknown[] = [];
    const ended = failure(collect(watching, events));
    await until(() => events.length === 3);
    leaving.abort();
    expect((await ended).code).toBe('CANCELED');
    await until(() => seen.closed > closed);
  });
});

describe('as plain HTTP', () => {
  const post = (
    body: string | Uint8Array<ArrayBuffer>,
    type = 'application/json',
    path = '/paystream.wallet.v1.WalletService/GetWallet',
  ): Promise<Response> => fetch(`${server.httpAddress}${path}`, { method: 'POST', body, headers: { ...headers, 'content-type': type } });

  it('takes JSON with curl and nothing else', async () => {
    const answer = await post('{"merchantId":"m1"}');
    expect(await answer.json()).toEqual({
      wallets: [{ merchantId: 'm1', sales: '3', balance: { currency: 'EUR', units: '9007199254740993' } }],
    });
  });

  it.each([
    ['JSON that breaks off', '{"merchantId":', 'application/json'],
    ['JSON of another shape', '{"merchantId":7}', 'application/json'],
    ['a string that is no Unicode', '{"merchantId":"\\ud800"}', 'application/json'],
    ['bytes that are no message', Buffer.from([0xff, 0xff]), 'application/proto'],
    ['a string that is no UTF-8', Buffer.from([10, 2, 0xff, 0xfe]), 'application/proto'],
  ])('answers %s with INVALID_ARGUMENT and a reason', async (_what, body, type) => {
    const answer = await post(body, type);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      code: 'invalid_argument',
      details: [{ debug: { reason: 'REQUEST_MALFORMED', domain: 'paystream' } }],
    });
  });

  it('says so over gRPC-Web too', async () => {
    const answer = await post(Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]), 'application/grpc-web+proto');
    const text = await answer.text();
    expect(text).toContain(`grpc-status: ${grpcCodeOf('INVALID_ARGUMENT')}`);
    expect(text).toContain('grpc-status-details-bin');
  });

  it('says so on a stream too', async () => {
    const answer = await post(
      Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]),
      'application/connect+proto',
      '/paystream.order.v1.OrderService/WatchOrder',
    );
    expect(await answer.text()).toContain('REQUEST_MALFORMED');
  });
});
