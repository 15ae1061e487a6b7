import { connect } from 'node:net';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { CreateOrderRequestSchema, OrderState } from '@paystream/core/contracts';
import { createSeededRandom } from '@paystream/core/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestStack, goodOrder, type TestStack } from './test-stack.ts';
import { encode, type WaysIn, waysInto } from './ways-in.ts';

let stack: TestStack;
let ways: WaysIn;
let number = 0;
const freshId = (): string => `request-${++number}`;
const order = (change: JsonObject = {}): JsonObject => ({ ...goodOrder, requestId: freshId(), ...change });
const bytesOf = (request: JsonValue): Uint8Array => encode(CreateOrderRequestSchema, request);

beforeAll(async () => {
  stack = await createTestStack({ PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '100', PAYSTREAM_PAYMENT_LOOKUP_DELAYS_MS: '10,1000' });
  ways = waysInto(stack, CreateOrderRequestSchema);
});
afterAll(async () => {
  ways?.close();
  await stack?.[Symbol.asyncDispose]();
});
// Whatever came in before: the next customer is served.
afterEach(async () => {
  expect((await stack.orders.placeAndWait({ ...goodOrder, requestId: freshId() })).state).toBe(OrderState.PAID);
});

const item = (change: JsonObject): JsonObject => ({ items: [{ productId: 'coffee-1kg', quantity: 1, ...change }] });
const lines = (count: number, productId = 'p'): JsonObject => ({
  items: Array.from({ length: count }, () => ({ productId, quantity: 1 })),
});

interface Refusal {
  readonly what: string;
  readonly change: JsonObject;
  readonly code: string;
  readonly reason: string;
  readonly fields: readonly string[];
}
const refusal = (what: string, change: JsonObject, code: string, reason: string, ...fields: readonly string[]): Refusal => ({
  what,
  change,
  code,
  reason,
  fields,
});
const invalid = (what: string, change: JsonObject, ...fields: readonly string[]): Refusal =>
  refusal(what, change, 'INVALID_ARGUMENT', 'REQUEST_INVALID', ...fields);

const refusals: readonly Refusal[] = [
  refusal('a currency that there is not', { currency: 'XQQ' }, 'INVALID_ARGUMENT', 'UNKNOWN_CURRENCY', 'currency'),
  invalid('a currency of another form', { currency: 'euro' }, 'currency'),
  refusal(
    'a currency that the product is not sold in',
    { currency: 'USD' },
    'INVALID_ARGUMENT',
    'CURRENCY_MISMATCH',
    'items[0].product_id',
  ),
  invalid('none of a product', item({ quantity: 0 }), 'items[0].quantity'),
  invalid('fewer than none of a product', item({ quantity: -1 }), 'items[0].quantity'),
  invalid('more of a product than anybody buys', item({ quantity: 10_001 }), 'items[0].quantity'),
  invalid('as many of a product as the number can hold', item({ quantity: 2_147_483_647 }), 'items[0].quantity'),
  refusal('a product that there is not', item({ productId: 'unobtainium' }), 'NOT_FOUND', 'UNKNOWN_PRODUCT', 'items[0].product_id'),
  refusal('a merchant that there is not', { merchantId: 'merchant-0' }, 'NOT_FOUND', 'UNKNOWN_MERCHANT', 'merchant_id'),
  refusal('a product of another merchant', item({ productId: 'atlas' }), 'NOT_FOUND', 'UNKNOWN_PRODUCT', 'items[0].product_id'),
  invalid('a product without a name', item({ productId: '' }), 'items[0].product_id'),
  invalid('an order of nothing', { items: [] }, 'items'),
  invalid('501 lines', lines(501), 'items'),
  invalid('no customer', { customer: null }, 'customer'),
  invalid('a customer of whom nothing is said', { customer: {} }, 'customer.customer_id', 'customer.name', 'customer.email'),
  invalid('an email address that is none', { customer: { ...goodOrder.customer, email: 'ada at example.org' } }, 'customer.email'),
  invalid('a telephone number that is none', { customer: { ...goodOrder.customer, phone: '030 123456' } }, 'customer.phone'),
  invalid('no payment method', { paymentMethod: null }, 'payment_method'),
  invalid('a payment method with blanks', { paymentMethod: { reference: 'pm card' } }, 'payment_method.reference'),
  invalid('a card number', { paymentMethod: { reference: '4242-4242-4242-4242' } }, 'payment_method.reference'),
  invalid('a request id with blanks', { requestId: 'my order' }, 'request_id'),
  invalid('a request id that is too long', { requestId: 'x'.repeat(129) }, 'request_id'),
  invalid('a wait of three minutes', { wait: '180s' }, 'wait'),
  invalid('a wait of less than no time', { wait: '-1s' }, 'wait'),
];

describe('a request that is refused says which field is wrong and why, over every way in', () => {
  it.each(refusals)('$what', async ({ change, code, reason, fields }) => {
    for (const way of ways.all) {
      const answer = await way.place(order(change));
      expect({ way: way.name, ...answer }).toMatchObject({ way: way.name, code, reason });
      expect([...new Set(answer.fields)].sort()).toEqual([...fields].sort());
      expect(answer.message).not.toMatch(/undefined|NaN|\[object|4242/);
    }
  });

  it('an empty request: every field that is missing, in one answer', async () => {
    for (const way of ways.all) {
      const { code, reason, fields } = await way.place({});
      expect([way.name, code, reason]).toEqual([way.name, 'INVALID_ARGUMENT', 'REQUEST_INVALID']);
      expect(fields).toEqual(expect.arrayContaining(['request_id', 'merchant_id', 'customer', 'payment_method', 'items']));
    }
    expect(await ways.grpc.send(new Uint8Array())).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'REQUEST_INVALID' });
  });

  it('an order of 100,000 lines', async () => {
    const request = order(lines(100_000));
    const [small, large] = [bytesOf(request), Buffer.from(JSON.stringify(request))];
    expect(small.length).toBeLessThan(1_048_576);
    expect(await ways.grpc.send(small)).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'REQUEST_INVALID', fields: ['items'] });
    for (const way of ways.http) expect(await way.send(large)).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'REQUEST_TOO_LARGE' });
    const longer = bytesOf(order(lines(100_000, 'coffee-1kg')));
    expect(await ways.grpc.send(longer)).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'REQUEST_TOO_LARGE' });
  });

  it.each(['gRPC', 'Connect JSON', 'REST'])('a request id that was given to another order, over %s', async (name) => {
    const way = ways.all.find((one) => one.name === name);
    const requestId = freshId();
    const first = await way?.place(order({ requestId }));
    expect(first).toMatchObject({ code: 'OK' });
    const other = await way?.place(order({ requestId, ...item({ quantity: 9 }) }));
    expect(other).toMatchObject({ code: 'ALREADY_EXISTS', reason: 'REQUEST_ID_REUSED', message: expect.stringContaining(requestId) });
    expect(await way?.place(order({ requestId }))).toMatchObject({ code: 'OK', orderId: first?.orderId });
  });
});

/** The field `merchant_id` with two bytes that are no UTF-8. */
const brokenText = Buffer.from([0x12, 0x02, 0xc3, 0x28]);
const ofSize = (bytes: number): Buffer => Buffer.concat([bytesOf(order()), Buffer.from([0x7a]), varint(bytes), Buffer.alloc(bytes, 0x61)]);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return Buffer.from([...bytes, left]);
}

describe('bytes that are no request, over gRPC', () => {
  it.each([
    ['garbage', Buffer.from('¡garbage! \u0007'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['a message that breaks off', Buffer.from([0x0a, 0x20, 0x61]), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['a string that is no UTF-8', brokenText, 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['another type where a message should be', Buffer.from([0x18, 0x01]), 'INVALID_ARGUMENT', expect.any(String)],
    ['a group that nests without end', Buffer.alloc(60_000, 0x7b), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['more than 1 MiB', ofSize(1_100_000), 'RESOURCE_EXHAUSTED', 'REQUEST_TOO_LARGE'],
    // The transport itself refuses these, without reading them.
    ['more than 4 MiB', ofSize(5_000_000), 'RESOURCE_EXHAUSTED', 'RPC_RESOURCE_EXHAUSTED'],
  ])('%s', async (_what, bytes, code, reason) => {
    expect(await ways.grpc.send(bytes)).toMatchObject({ code, reason });
  });

  it.each([
    ['a method that there is not', '/paystream.order.v1.OrderService/Explode'],
    ['a service that there is not', '/paystream.order.v9.OrderService/CreateOrder'],
  ])('%s', async (_what, path) => {
    expect(await ways.call(path, bytesOf(order()))).toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('bytes that are no request, over HTTP', () => {
  const withText = (from: string, to: string | Buffer): Buffer => {
    const text = JSON.stringify(order({ customer: { ...goodOrder.customer, name: 'HERE' } }));
    const at = text.indexOf(from);
    return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from(to), Buffer.from(text.slice(at + from.length))]);
  };
  it.each([
    ['garbage', () => Buffer.from('¡garbage!'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['nothing at all', () => Buffer.alloc(0), 'INVALID_ARGUMENT', expect.any(String)],
    ['JSON that breaks off', () => Buffer.from('{"requestId":"x"'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['JSON that is no object', () => Buffer.from('[1,2]'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['JSON null', () => Buffer.from('null'), 'INVALID_ARGUMENT', expect.any(String)],
    ['JSON that nests without end', () => Buffer.from(`{"items":${'['.repeat(100_000)}`), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['a word where a number should be', () => withText('"quantity":2', '"quantity":"two"'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['half of a product', () => withText('"quantity":2', '"quantity":1.5'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['a number that is too large', () => withText('"quantity":2', '"quantity":2147483648'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['an endless number', () => withText('"quantity":2', '"quantity":1e999'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['text that is no UTF-8', () => withText('HERE', Buffer.from([0xc3, 0x28])), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['half of a character', () => withText('HERE', '\\ud800'), 'INVALID_ARGUMENT', 'REQUEST_MALFORMED'],
    ['more than 1 MiB', () => withText('HERE', 'x'.repeat(1_100_000)), 'RESOURCE_EXHAUSTED', 'REQUEST_TOO_LARGE'],
    ['more than 4 MiB', () => withText('HERE', 'x'.repeat(5_000_000)), 'RESOURCE_EXHAUSTED', 'REQUEST_TOO_LARGE'],
  ])('%s', async (_what, bytes, code, reason) => {
    for (const way of ways.http) expect({ way: way.name, ...(await way.send(bytes())) }).toMatchObject({ way: way.name, code, reason });
  });

  // Connect itself passes over fields that it does not know, as gRPC does; over REST a word that is misspelt is told.
  it('a field that there is not, over REST', async () => {
    const answer = await ways.http[1]?.send(withText('"quantity":2', '"quantity":2,"price":1'));
    expect(answer).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'REQUEST_MALFORMED', message: expect.stringContaining('price') });
  });

  it.each([
    ['a path that there is not', 'POST', '/api/v2/checkout', 404],
    ['a path that leads out', 'POST', '/api/v1/..%2f..%2fetc/passwd', 404],
    ['a method that the route does not take', 'GET', '/api/v1/checkout', 405],
    ['a method of a service that there is not', 'POST', '/paystream.order.v1.OrderService/Explode', 404],
    ['a content type that the route does not take', 'POST', '/api/v1/checkout', 415],
    ['a content type that nobody reads', 'POST', '/paystream.order.v1.OrderService/CreateOrder', 415],
  ])('%s', async (_what, method, path, status) => {
    const body = method === 'GET' ? {} : { body: 'x' };
    const answer = await fetch(`${stack.http}${path}`, { method, headers: { 'content-type': 'application/x-yaml' }, ...body });
    expect(answer.status).toBe(status);
  });
});

/** Sends bytes over TCP and gives what came back when the server closed, or when it was quiet for a moment after `end`. */
async function overTcp(address: string, bytes: Uint8Array, how: 'end' | 'destroy'): Promise<string> {
  const { hostname, port } = new URL(address.includes('://') ? address : `http://${address}`);
  return new Promise((resolve) => {
    let text = '';
    const socket = connect({ host: hostname, port: Number(port) }, () => {
      socket.write(bytes, () => (how === 'end' ? socket.end() : socket.destroy()));
    });
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

describe('a client that does not behave', () => {
  const head = (length: number): string =>
    `POST /api/v1/checkout HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

  it('sends garbage to the ports', async () => {
    const garbage = Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 197 + 31) % 256));
    expect(await overTcp(stack.http, garbage, 'end')).toContain('400 Bad Request');
    await overTcp(stack.grpc, garbage, 'end');
    await overTcp(stack.grpc, Buffer.from(head(10)), 'end');
  });

  it('goes in the middle of its request', async () => {
    const text = JSON.stringify(order());
    await overTcp(stack.http, Buffer.from(head(text.length) + text.slice(0, 50)), 'destroy');
    await overTcp(stack.http, Buffer.from(head(text.length) + text.slice(0, 50)), 'end');
    await overTcp(stack.grpc, Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04'), 'destroy');
  });

  it.each(['gRPC', 'Connect JSON', 'REST'])(
    'goes while it is waited for payment, over %s: its order is paid all the same',
    async (name) => {
      const way = ways.all.find((one) => one.name === name);
      const request = order({ wait: '30s', paymentMethod: { reference: 'pm_timeout_after_charge' } });
      const gone = new AbortController();
      const answer = way?.send(name === 'gRPC' ? bytesOf(request) : Buffer.from(JSON.stringify(request)), gone.signal);
      await expect.poll(async () => (await findOrder(request))?.state, { interval: 5 }).toBe(OrderState.PENDING);
      gone.abort();
      expect(await answer).toMatchObject({ code: 'CANCELED' });
      const { orderId = '', merchantId = '' } = (await findOrder(request)) ?? {};
      expect((await stack.orders.waitOrder({ orderId, merchantId })).order?.state).toBe(OrderState.PAID);
      // What it sends again finds the same order.
      expect(await way?.place(request)).toMatchObject({ code: 'OK', orderId });
    },
  );

  it('gives 1 ms: it is told that the time is up, and its request id is still good', async () => {
    const request = order({ wait: '30s', paymentMethod: { reference: 'pm_timeout_after_charge' } });
    const answer = await ways.call('/paystream.order.v1.OrderService/CreateOrder', bytesOf(request), 1);
    expect(answer.code).toBe('DEADLINE_EXCEEDED');
    const http = await fetch(`${stack.http}/paystream.order.v1.OrderService/CreateOrder`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'connect-timeout-ms': '1' },
      body: JSON.stringify(request),
    });
    expect(await http.json()).toMatchObject({ code: 'deadline_exceeded' });
    expect(await ways.grpc.place(request)).toMatchObject({ code: 'OK' });
  });

  async function findOrder(request: JsonObject) {
    const { orders } = await stack.orders.listOrders({ merchantId: String(request['merchantId']), pageSize: 10 });
    return orders.find((one) => one.requestId === request['requestId']);
  }
});

describe('a few hundred requests that were broken at random', () => {
  const fine: ReadonlySet<string> = new Set(['OK', 'INVALID_ARGUMENT', 'NOT_FOUND', 'ALREADY_EXISTS', 'RESOURCE_EXHAUSTED']);

  function broken(bytes: Uint8Array, random: { next(): number }): Buffer {
    const below = (limit: number): number => Math.floor(random.next() * limit);
    let result = Buffer.from(bytes);
    for (let changes = 1 + below(4); changes > 0; changes--) {
      const at = below(result.length + 1);
      const rest = result.subarray(at);
      const cut = below(6);
      const kinds = [
        () => Buffer.concat([result.subarray(0, at), Buffer.from([below(256)]), rest.subarray(1)]),
        () => Buffer.concat([result.subarray(0, at), rest.subarray(cut)]),
        () => Buffer.concat([result.subarray(0, at), rest.subarray(0, cut), rest]),
        () => Buffer.concat([result.subarray(0, at), Buffer.from(Array.from({ length: cut }, () => below(256))), rest]),
        () => result.subarray(0, at),
        () => Buffer.concat([rest, result.subarray(0, at)]),
      ];
      result = kinds[below(kinds.length)]?.() ?? result;
    }
    return result;
  }

  it.each(['gRPC', 'Connect JSON', 'REST'])('are all answered, over %s, and never as a fault of the server', async (name) => {
    const way = ways.all.find((one) => one.name === name);
    const random = createSeededRandom(20_261_122);
    const requests = Array.from({ length: 300 }, (_, index) => {
      const request = order({ requestId: `fuzz-${name.replace(' ', '-')}-${index}`, currency: 'EUR', wait: '0s' });
      return broken(name === 'gRPC' ? bytesOf(request) : Buffer.from(JSON.stringify(request)), random);
    });
    const answers = new Map<string, number>();
    for (let begin = 0; begin < requests.length; begin += 50) {
      for (const { code } of await Promise.all(requests.slice(begin, begin + 50).map((bytes) => way?.send(bytes) ?? { code: '' }))) {
        answers.set(code, (answers.get(code) ?? 0) + 1);
      }
    }
    expect([...answers.keys()].filter((code) => !fine.has(code))).toEqual([]);
    expect(answers.get('INVALID_ARGUMENT')).toBeGreaterThan(50);
  });
});
