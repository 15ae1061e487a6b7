import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CreateOrderRequestSchema } from '../contracts/index.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { apiKeys, hashApiKey } from '../rpc/authenticator.ts';
import { requireMerchant } from '../rpc/principal.ts';
import { createMemoryTelemetry } from '../testing/memory-telemetry.ts';
import type { HttpRoute } from './http-route.ts';
import { createRpcServer, type RpcServer } from './server.ts';

const routes: HttpRoute[] = [
  {
    method: 'POST',
    path: '/api/v1/checkout',
    handle: async (request) => {
      const order = await request.message(CreateOrderRequestSchema);
      requireMerchant(request.context, order.merchantId);
      return { status: 201, body: { lines: order.items.length, by: request.context.principal.id, units: 12n } };
    },
  },
  {
    method: 'GET',
    path: '/api/v1/orders/:orderId/lines/:line',
    handle: async ({ params, query }) => ({ body: { ...params, full: query.get('full') } }),
  },
  {
    method: 'DELETE',
    path: '/api/v1/orders/:orderId',
    handle: async ({ params }) => {
      if (params['orderId'] === 'away') throw new PaystreamError('UNAVAILABLE', 'The database is away.', { reason: 'AWAY' });
      if (params['orderId'] === 'bug') throw new RangeError('at row 17 of secrets');
      throw new PaystreamError('ABORTED', 'Try again.', { reason: 'RACED', details: { retryAfterMs: '1500' } });
    },
  },
  { method: 'POST', path: '/webhook', open: true, handle: async (request) => ({ body: Buffer.from(await request.bytes()) }) },
];

const logged: string[] = [];
const write = (_fields: object, message: string): void => void logged.push(message);
const logger: Logger = { debug: () => undefined, info: () => undefined, warn: write, error: write };

const telemetry = createMemoryTelemetry();
let server: RpcServer;
beforeAll(async () => {
  server = await createRpcServer({
    services: [],
    grpc: false,
    http: { port: 0, routes },
    health: async () => ({ ready: true, components: [] }),
    authenticate: apiKeys([{ id: 'shop', sha256: hashApiKey('k'), merchants: ['m1'] }]),
    maxRequestBytes: 10_000,
    logger,
    telemetry,
  });
});
afterAll(() => server.close());

async function call(method: string, path: string, body?: unknown, key = 'k'): Promise<{ status: number; json: unknown; headers: Headers }> {
  const answer = await fetch(`${server.httpAddress}${path}`, {
    method,
    headers: { 'x-api-key': key, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: answer.status, json: await answer.json(), headers: answer.headers };
}

const order = {
  requestId: 'r1',
  merchantId: 'm1',
  customer: { customerId: 'c', name: 'J', email: 'j@example.org' },
  paymentMethod: { reference: 'pm_card_visa' },
  items: [{ productId: 'p', quantity: 2 }],
};

describe('a plain route', () => {
  it('takes a message as JSON, knows its caller, answers JSON', async () => {
    expect(await call('POST', '/api/v1/checkout', order)).toMatchObject({ status: 201, json: { lines: 1, by: 'shop', units: '12' } });
  });

  it('is timed by its path as it was declared, never by what stands in it, and by what was answered', async () => {
    const seconds = (status: string) =>
      telemetry.observations('paystream_http_seconds', { method: 'DELETE', route: '/api/v1/orders/:orderId', status }).length;
    const before = [seconds('503'), seconds('500')];
    await call('DELETE', '/api/v1/orders/away');
    await call('DELETE', '/api/v1/orders/bug');
    await expect.poll(() => [seconds('503'), seconds('500')]).toEqual(before.map((count) => count + 1));
  });

  it('hands over what the path and the query hold, decoded', async () => {
    const { json } = await call('GET', '/api/v1/orders/a%2Fb/lines/3?full=yes');
    expect(json).toEqual({ orderId: 'a/b', line: '3', full: 'yes' });
  });

  it.each([
    ['a field that breaks a rule', { ...order, items: [{ productId: 'p', quantity: 0 }] }, 400, 'INVALID_ARGUMENT', 'REQUEST_INVALID'],
    ['a field of another type', { ...order, items: 7 }, 400, 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['a field that does not exist', { ...order, price: 1 }, 400, 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['no JSON', '{"requestId": "r1"', 400, 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['a body that is too large', 'x'.repeat(10_001), 413, 'RESOURCE_EXHAUSTED', 'REQUEST_TOO_LARGE'],
    ["another merchant's order", { ...order, merchantId: 'm2' }, 403, 'PERMISSION_DENIED', 'MERCHANT_FORBIDDEN'],
  ])('answers %s in the one form of errors', async (_what, body, status, code, reason) => {
    const answer = await call('POST', '/api/v1/checkout', body);
    expect(answer).toMatchObject({ status, json: { code, reason, message: expect.any(String), violations: expect.any(Array) } });
  });

  it.each([
    ['none', {}, 415],
    ['one that a page of any origin may send', { 'content-type': 'text/plain' }, 415],
    ['one that only begins like it', { 'content-type': 'application/jsonp' }, 415],
    ['JSON in a charset', { 'content-type': 'application/json; charset=utf-8' }, 201],
    ['a format on JSON', { 'content-type': 'application/vnd.shop+json' }, 201],
  ])('takes JSON that says that it is: a content type of %s', async (_what, headers, status) => {
    // Bytes: a string would be given a content type.
    const body = Buffer.from(JSON.stringify(order));
    const answer = await fetch(`${server.httpAddress}/api/v1/checkout`, {
      method: 'POST',
      headers: { 'x-api-key': 'k', ...headers },
      body,
    });
    expect(answer.status).toBe(status);
    if (status === 415) expect(await answer.json()).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'CONTENT_TYPE_UNSUPPORTED' });
  });

  it('names the fields that break rules', async () => {
    const { json } = await call('POST', '/api/v1/checkout', { ...order, items: [{ productId: '', quantity: 0 }] });
    expect(json).toMatchObject({ violations: [{ field: 'items[0].product_id' }, { field: 'items[0].quantity' }] });
  });

  it('asks who calls, unless it is open', async () => {
    expect(await call('POST', '/api/v1/checkout', order, 'wrong')).toMatchObject({ status: 401, json: { reason: 'API_KEY_UNKNOWN' } });
    expect((await call('POST', '/webhook', { signed: true }, 'wrong')).json).toEqual({ signed: true });
  });

  it('hides what a fault of ours says and logs it', async () => {
    const { status, json } = await call('DELETE', '/api/v1/orders/bug');
    expect(status).toBe(500);
    expect(JSON.stringify(json)).not.toContain('secrets');
    expect(logged.join()).toContain('secrets');
  });

  it('says when to come again', async () => {
    const { status, headers } = await call('DELETE', '/api/v1/orders/1');
    expect([status, headers.get('retry-after')]).toEqual([409, '2']);
    const away = await call('DELETE', '/api/v1/orders/away');
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '1']);
    const bug = await call('DELETE', '/api/v1/orders/bug');
    expect([bug.status, bug.headers.get('retry-after')]).toEqual([500, null]);
  });

  it('tells an unknown path from a wrong method', async () => {
    expect(await call('GET', '/api/v2')).toMatchObject({ status: 404, json: { reason: 'ROUTE_UNKNOWN' } });
    const wrong = await call('PUT', '/api/v1/checkout', order);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('answers before the end of a body that turns out too large, and lives on', async () => {
    const status = await new Promise((resolve, reject) => {
      const sending = httpRequest(
        `${server.httpAddress}/api/v1/checkout`,
        { method: 'POST', headers: { 'x-api-key': 'k', 'content-type': 'application/json' } },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode);
          sending.destroy();
        },
      );
      sending.once('error', reject);
      for (let sent = 0; sent < 4; sent++) sending.write('x'.repeat(5_000));
    });
    expect(status).toBe(413);
    expect((await call('POST', '/api/v1/checkout', order)).status).toBe(201);
  });
});
