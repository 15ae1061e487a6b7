import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Health } from '@paystream/core';
import { DeliveryState, OrderState } from '@paystream/core/contracts';
import { createOrderClient } from '@paystream/order/client';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultsIn } from '../src/load/books.ts';
import { createTestStack, eventually, goodOrder, type TestStack } from './test-stack.ts';

interface HttpAnswer {
  readonly status: number;
  readonly body: { readonly order?: Readonly<Record<string, unknown>> };
}

async function post(stack: TestStack, path: string, body: unknown, headers: Record<string, string> = {}): Promise<HttpAnswer> {
  const response = await fetch(`${stack.http}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as HttpAnswer['body'] };
}

const connectPath = '/paystream.order.v1.OrderService/CreateOrder';

describe('a newcomer', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await createTestStack();
  });
  afterAll(() => stack?.[Symbol.asyncDispose]());

  it('gets an order paid over each way in, and the books are right', async () => {
    const rest = await post(stack, '/api/v1/checkout', { ...goodOrder, requestId: 'over-rest' });
    expect(rest).toMatchObject({
      status: 200,
      body: { order: { state: 'ORDER_STATE_PAID', total: { currency: 'EUR', units: '4380' }, requestId: 'over-rest' } },
    });
    const connect = await post(stack, connectPath, { ...goodOrder, requestId: 'over-connect', wait: '10s' });
    expect(connect).toMatchObject({ status: 200, body: { order: { state: 'ORDER_STATE_PAID' } } });
    const grpc = await stack.orders.placeAndWait({ ...goodOrder, requestId: 'over-grpc' });
    expect(grpc).toMatchObject({ state: OrderState.PAID, version: 2n, total: { currency: 'EUR', units: 4380n } });
    const books = await stack.books();
    expect(faultsIn(books)).toEqual([]);
    expect(books).toMatchObject({ charges: 3, charged: ['131.40 EUR'], transfers: 3, notificationsDelivered: 6 });
  });

  it('may give the request id as the idempotency-key header, and is charged once for it', async () => {
    const headers = { 'idempotency-key': 'by-header' };
    const first = await post(stack, '/api/v1/checkout', goodOrder, headers);
    const again = await post(stack, '/api/v1/checkout', goodOrder, headers);
    expect(first.body.order?.['requestId']).toBe('by-header');
    expect(again.body).toEqual(first.body);
  });

  it('watches an order from its placing to its end, where the stream ends', async () => {
    const { orderId, merchantId } = await stack.orders.createOrder({ ...goodOrder, requestId: 'watched' });
    const states: OrderState[] = [];
    for await (const { state } of stack.orders.watchOrder({ orderId, merchantId })) states.push(state);
    expect(states.at(-1)).toBe(OrderState.PAID);
    expect(states.length).toBe(new Set(states).size);
  });

  it('is told why a card was declined, and nothing is booked for it', async () => {
    const before = await stack.books();
    const placed = ['pm_card_declined', 'pm_card_expired'].map((reference) =>
      stack.orders.placeAndWait({ ...goodOrder, requestId: reference, paymentMethod: { reference } }),
    );
    expect((await Promise.all(placed)).map(({ state, reason }) => [state, reason])).toEqual([
      [OrderState.DECLINED, expect.stringContaining('card_declined')],
      [OrderState.DECLINED, expect.stringContaining('expired_card')],
    ]);
    const after = await eventually('both declines are logged', async () => {
      const books = await stack.books();
      return books.businessEntries['order.declined'] === 2 ? books : undefined;
    });
    expect(faultsIn(after)).toEqual([]);
    expect(after.charges).toBe(before.charges);
  });

  it('finds the messages to the merchant in the notifications folder', async () => {
    await stack.books();
    const { orderId } = await stack.orders.placeAndWait({ ...goodOrder, requestId: 'notified' });
    await stack.books();
    for (const channel of ['email', 'sms']) {
      const file = await readFile(join(stack.directory, 'data', 'notifications', `${channel}.jsonl`), 'utf8');
      const about = file.split('\n').filter((line) => line.includes(orderId));
      expect(about).toHaveLength(1);
      expect(JSON.parse(about[0] ?? '')).toMatchObject({ merchantId: 'merchant-1', text: expect.stringContaining('43.80') });
    }
  });

  it('sees that it is alive, ready and counted', async () => {
    const ready = await fetch(`${stack.http}/readyz`);
    expect(ready.status).toBe(200);
    expect(((await ready.json()) as Health).components.map(({ name }) => name)).toContain('payment');
    expect(await (await fetch(`${stack.http}/metrics`)).text()).toContain('paystream_orders_total{outcome="placed"}');
  });
});

describe('a second and a third start on the same folder', () => {
  it('keep every order, charge nothing twice and go on where the last one stopped', async () => {
    await using stack = await createTestStack();
    const first = await stack.orders.placeAndWait({ ...goodOrder, requestId: 'r-1' });
    for (const number of [2, 3]) {
      await stack.restart();
      const same = await stack.orders.placeAndWait({ ...goodOrder, requestId: 'r-1' });
      expect(same).toMatchObject({ orderId: first.orderId, state: OrderState.PAID, version: first.version });
      expect(await stack.orders.getOrder({ orderId: first.orderId, merchantId: first.merchantId })).toMatchObject({ requestId: 'r-1' });
      expect((await stack.orders.placeAndWait({ ...goodOrder, requestId: `r-${number}` })).state).toBe(OrderState.PAID);
    }
    const books = await stack.books();
    expect(faultsIn(books)).toEqual([]);
    expect(books).toMatchObject({ charges: 3, chargedTwice: 0, businessEntries: { 'order.placed': 3, 'order.paid': 3 } });
    expect((await stack.orders.listOrders({ merchantId: 'merchant-1' })).orders).toHaveLength(3);
  });

  it('settle what was accepted and not yet paid when the first one stopped', async () => {
    await using stack = await createTestStack({ PAYSTREAM_GATEWAY_LATENCY_MS: '150' });
    const ids = Array.from({ length: 20 }, (_, index) => `r-${index}`);
    const placed = await Promise.all(ids.map((requestId) => stack.orders.createOrder({ ...goodOrder, requestId })));
    expect(placed.every(({ state }) => state === OrderState.PENDING)).toBe(true);
    await stack.restart();
    const settled = await Promise.all(placed.map(({ orderId, merchantId }) => stack.orders.waitOrder({ orderId, merchantId })));
    expect(settled.map(({ order }) => order?.state)).toEqual(ids.map(() => OrderState.PAID));
    expect(faultsIn(await stack.books())).toEqual([]);
  });
});

describe('a stop', () => {
  it('answers those who wait with the order as it stands, instead of keeping them or cutting them off', async () => {
    await using stack = await createTestStack({ PAYSTREAM_GATEWAY_LATENCY_MS: '60000', PAYSTREAM_SHUTDOWN_TIMEOUT_MS: '500' });
    const client = createOrderClient({ baseUrl: `http://${stack.grpc}`, attempts: 1 });
    const { orderId, merchantId } = await client.createOrder({ ...goodOrder, requestId: 'r-1' });
    const waiting = [
      client.createOrder({ ...goodOrder, requestId: 'r-2', wait: { seconds: 60n } }),
      client.waitOrder({ orderId, merchantId, timeout: { seconds: 60n } }).then(({ order }) => order),
      post(stack, '/api/v1/checkout', { ...goodOrder, requestId: 'r-3' }).then(({ body }) => body.order),
    ];
    await eventually('three orders are stored', async () =>
      (await client.listOrders({ merchantId })).orders.length === 3 ? true : undefined,
    );
    const stopped = stack.running.stop();
    expect((await Promise.all(waiting)).map((order) => order?.state)).toEqual([
      OrderState.PENDING,
      OrderState.PENDING,
      'ORDER_STATE_PENDING',
    ]);
    await stopped;
    await client.close();
  });
});

describe('with API keys', () => {
  it('lets in those who have one, for their merchant only', async () => {
    await using stack = await createTestStack({ PAYSTREAM_API_KEYS: 'k-one=merchant-1,k-all=*' });
    const body = { ...goodOrder, requestId: 'r-1' };
    const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
    expect(await post(stack, '/api/v1/checkout', body)).toMatchObject({ status: 401, body: { code: 'UNAUTHENTICATED' } });
    expect(await post(stack, '/api/v1/checkout', body, bearer('k-none'))).toMatchObject({ status: 401 });
    expect(await post(stack, connectPath, body)).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(await post(stack, '/api/v1/checkout', body, bearer('k-one'))).toMatchObject({ status: 200 });
    const foreign = { ...body, merchantId: 'merchant-2', items: [{ productId: 'atlas', quantity: 1 }] };
    expect(await post(stack, '/api/v1/checkout', foreign, bearer('k-one'))).toMatchObject({
      status: 403,
      body: { code: 'PERMISSION_DENIED' },
    });
    const paid = await stack.orders.placeAndWait(foreign);
    expect(paid.state).toBe(OrderState.PAID);

    const baseUrl = `http://${stack.grpc}`;
    for (const [apiKey, code] of [
      [undefined, 'UNAUTHENTICATED'],
      ['k-one', 'PERMISSION_DENIED'],
    ] as const) {
      await using client = createOrderClient({ baseUrl, apiKey });
      await expect(client.getOrder({ orderId: paid.orderId, merchantId: 'merchant-2' })).rejects.toMatchObject({ code });
    }
    await using one = createOrderClient({ baseUrl, apiKey: 'k-one' });
    // Under a merchant that it may act for, another's order is not to be found.
    await expect(one.getOrder({ orderId: paid.orderId, merchantId: 'merchant-1' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await fetch(`${stack.http}/readyz`)).status).toBe(200);
  });
});

describe('with a mail server', () => {
  it('emails the merchant of each sale, and keeps writing phone messages to the folder', async () => {
    const mails: string[] = [];
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      logger: false,
      onData: (stream, _session, done) => {
        let text = '';
        stream.setEncoding('utf8');
        stream.on('data', (chunk: string) => {
          text += chunk;
        });
        stream.on('end', () => {
          mails.push(text);
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    try {
      await using stack = await createTestStack({
        PAYSTREAM_SMTP_URL: `smtp://127.0.0.1:${port}`,
        PAYSTREAM_SMTP_FROM: 'shop@example.org',
      });
      const { orderId } = await stack.orders.placeAndWait({ ...goodOrder, requestId: 'r-1' });
      expect(faultsIn(await stack.books())).toEqual([]);
      expect(mails).toHaveLength(1);
      expect(mails[0]).toMatch(/^From: .*shop@example\.org/m);
      expect(mails[0]).toMatch(/^To: .*orders@nordlicht-coffee\.example/m);
      expect(mails[0]).toContain(orderId);
    } finally {
      await new Promise<void>((resolve) => server.close(() => resolve()));
    }
  });

  it('takes and pays orders while there is none, and says which messages wait', async () => {
    await using stack = await createTestStack({ PAYSTREAM_SMTP_URL: 'smtp://127.0.0.1:1' });
    expect((await stack.orders.placeAndWait({ ...goodOrder, requestId: 'r-1' })).state).toBe(OrderState.PAID);
    const detail = await eventually('the health tells of it', async () => {
      const response = await fetch(`${stack.http}/readyz`);
      expect(response.status).toBe(200);
      const { components } = (await response.json()) as Health;
      return components.find(({ name, state }) => name === 'notify' && state === 'degraded')?.detail;
    });
    expect(detail).toMatch(/^CHANNEL_AWAY: email: .*ECONNREFUSED/);
  });

  it('gives messages up that have waited for one for as long as the settings say', async () => {
    await using stack = await createTestStack({ PAYSTREAM_SMTP_URL: 'smtp://127.0.0.1:1', PAYSTREAM_NOTIFY_GIVE_UP_AFTER_MS: '1' });
    await stack.orders.placeAndWait({ ...goodOrder, requestId: 'r-1' });
    const { database } = stack.running.engine;
    const failed = `SELECT channel FROM ${database.tables('notify_deliveries')} WHERE state = ${DeliveryState.FAILED}`;
    const row = await eventually('the message fails', async () => (await database.query(failed))[0]);
    expect(row).toEqual({ channel: 'email' });
  });
});

it('keeps the counts of each process in rows of its own, so that replicas do not queue for one', async () => {
  await using stack = await createTestStack({ PAYSTREAM_INSTANCE: 'replica-7' });
  await stack.orders.placeAndWait({ ...goodOrder, requestId: 'counted' });
  expect(faultsIn(await stack.books())).toEqual([]);
  const { database } = stack.running.engine;
  for (const table of ['notify_counts', 'log_day_counts']) {
    const instances = await database.query(`SELECT DISTINCT instance FROM ${database.tables(table)}`);
    expect(instances.map((row) => row['instance'])).toEqual(['replica-7']);
  }
});
