import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { IncomingMessage } from '@paystream/core';
import {
  LogEntrySchema,
  OrderEventSchema,
  OrderState,
  OrderUpdateSchema,
  PaymentState,
  TransactionEventSchema,
  WalletUpdateKind,
  WalletUpdateSchema,
} from '@paystream/core/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultsIn } from '../src/load/books.ts';
import { createTestStack, eventually, goodOrder, type TestStack } from './test-stack.ts';

let stack: TestStack;
let number = 0;

beforeAll(async () => {
  stack = await createTestStack();
});
afterAll(() => stack?.[Symbol.asyncDispose]());

async function publish(topic: string, payload: Uint8Array, key?: string): Promise<void> {
  const producer = await stack.running.engine.broker.createProducer({ topic });
  await producer.send({ payload, key });
  await producer.close();
}

/** Everything on a topic. */
async function contentsOf(topic: string): Promise<readonly IncomingMessage[]> {
  const { broker } = stack.running.engine;
  const reader = await broker.createReader({ topic, start: 'earliest' });
  const end = await broker.createProducer({ topic });
  const last = await end.send({ payload: new Uint8Array(), key: 'end' });
  const found: IncomingMessage[] = [];
  while (!found.some(({ id }) => id === last)) found.push(...(await reader.receive(1_000)));
  await Promise.all([reader.close(), end.close()]);
  return found.filter(({ key }) => key !== 'end');
}

/** An order is paid, told to the merchant and logged. */
async function expectServed(): Promise<void> {
  const before = await stack.books();
  const placed = await stack.orders.placeAndWait({ ...goodOrder, requestId: `good-${++number}` });
  expect(placed.state).toBe(OrderState.PAID);
  const after = await stack.books();
  expect(faultsIn(after)).toEqual([]);
  expect(after.paymentsSettled - before.paymentsSettled).toBe(1);
  expect(after.notificationsDelivered - before.notificationsDelivered).toBe(2);
}

async function expectDeadLettered(topic: string, subscription: string, payload: Uint8Array, reason: unknown): Promise<void> {
  const dead = await eventually(`${topic}-${subscription}-dlq has the message`, async () =>
    (await contentsOf(`${topic}-${subscription}-dlq`)).find((message) => Buffer.compare(message.payload, payload) === 0),
  );
  expect(dead.properties).toMatchObject({
    'paystream-dead-letter-reason': reason,
    'paystream-dead-letter-topic': topic,
    'paystream-dead-letter-subscription': subscription,
  });
}

const subscriptions: readonly (readonly [topic: string, readonly string[]])[] = [
  ['orders', ['payment']],
  ['transactions', ['order', 'wallet']],
  ['merchant-wallet-updates', ['notifier']],
  ['order-logs-topic', ['log-sink']],
  ['transactions-logs-topic', ['log-sink']],
];

describe('bytes that do not decode', () => {
  it.each(subscriptions)('on %s go to the dead-letter topic untouched, and the next order is served', async (topic, readers) => {
    const payload = Buffer.from([0xff, 0x00, 0xc3, 0x28, topic.length]);
    await publish(topic, payload, 'some-key');
    await publish(topic, Buffer.concat([payload, Buffer.from('without a key')]));
    for (const subscription of readers) {
      await expectDeadLettered(topic, subscription, payload, 'UNDECODABLE');
      await expectDeadLettered(topic, subscription, Buffer.concat([payload, Buffer.from('without a key')]), 'UNDECODABLE');
    }
    await expectServed();
  });

  it('on order-updates are passed over, and those who wait for an order still hear of it', async () => {
    const { orderId, merchantId } = await stack.orders.createOrder({ ...goodOrder, requestId: `good-${++number}` });
    const waiting = stack.orders.waitOrder({ orderId, merchantId });
    await publish('order-updates', Buffer.from([0xff, 0x00]), orderId);
    await publish('order-updates', Buffer.from([0xff, 0x00]));
    expect((await waiting).order?.state).toBe(OrderState.PAID);
    await expectServed();
  });
});

const bytes = <D extends DescMessage>(schema: D, init: MessageInitShape<D>): Uint8Array => toBinary(schema, create(schema, init));
const eur = (units: bigint) => ({ currency: 'EUR', units });
const far = { seconds: 9_000_000_000_000_000n, nanos: 999_999_999 };
const someOrder = {
  orderId: 'order-that-is-not',
  merchantId: 'merchant-1',
  paymentMethod: { reference: 'pm_card_visa' },
  total: eur(100n),
};
const placed = (change: object) => bytes(OrderEventSchema, { event: { case: 'placed', value: { order: { ...someOrder, ...change } } } });
const transaction = (change: MessageInitShape<typeof TransactionEventSchema>) =>
  bytes(TransactionEventSchema, {
    paymentId: 'pay-none',
    orderId: 'order-that-is-not',
    merchantId: 'merchant-1',
    state: PaymentState.SETTLED,
    version: 2n,
    ...change,
  });
const settled = (change: object) => ({
  outcome: { case: 'settled' as const, value: { operationId: 'op-none', captured: eur(100n), ...change } },
});
const walletUpdate = (change: object) =>
  bytes(WalletUpdateSchema, {
    operationId: 'op-none',
    merchantId: 'merchant-1',
    orderId: 'order-that-is-not',
    kind: WalletUpdateKind.SALE,
    amount: eur(100n),
    fee: eur(3n),
    wallet: { merchantId: 'merchant-1', balance: eur(97n), revenue: eur(100n), profit: eur(97n), sales: 1n, version: 1n },
    ...change,
  });

const senseless: readonly (readonly [what: string, topic: string, subscriptions: readonly string[], payload: Uint8Array])[] = [
  ['an order event of no kind', 'orders', ['payment'], bytes(OrderEventSchema, {})],
  ['an order event without an order', 'orders', ['payment'], bytes(OrderEventSchema, { event: { case: 'placed', value: {} } })],
  ['an order without an id', 'orders', ['payment'], placed({ orderId: '' })],
  ['an order without a merchant', 'orders', ['payment'], placed({ merchantId: '' })],
  ['an order whose id is too long', 'orders', ['payment'], placed({ orderId: 'x'.repeat(65) })],
  ['an order without a payment method', 'orders', ['payment'], placed({ paymentMethod: undefined })],
  ['an order of less than nothing', 'orders', ['payment'], placed({ total: eur(-100n) })],
  ['an order of nothing', 'orders', ['payment'], placed({ total: eur(0n) })],
  ['an order without a total', 'orders', ['payment'], placed({ total: undefined })],
  ['an order in a currency that there is not', 'orders', ['payment'], placed({ total: { currency: 'XQQ', units: 1n } })],
  ['an order of the far future', 'orders', ['payment'], placed({ createTime: far, expireTime: far })],
  [
    'a wish to cancel no order',
    'orders',
    ['payment'],
    bytes(OrderEventSchema, { event: { case: 'cancelRequested', value: { orderId: '', merchantId: 'merchant-1' } } }),
  ],
  ['a transaction of no kind', 'transactions', ['order', 'wallet'], transaction({})],
  ['a transaction of nothing at all', 'transactions', ['order', 'wallet'], bytes(TransactionEventSchema, {})],
  [
    'a decline of an order that there is not',
    'transactions',
    ['order'],
    transaction({ state: PaymentState.DECLINED, outcome: { case: 'declined', value: { code: 'x' } } }),
  ],
  ['a settlement without an operation', 'transactions', ['order', 'wallet'], transaction(settled({ operationId: '' }))],
  ['a settlement of less than nothing', 'transactions', ['order', 'wallet'], transaction(settled({ captured: eur(-5n) }))],
  ['a settlement of no amount', 'transactions', ['order', 'wallet'], transaction(settled({ captured: undefined }))],
  [
    'a settlement in a currency that there is not',
    'transactions',
    ['order', 'wallet'],
    transaction(settled({ captured: { currency: 'XQQ', units: 5n } })),
  ],
  ['a settlement for no merchant', 'transactions', ['order', 'wallet'], transaction({ merchantId: '', ...settled({}) })],
  ['a wallet update without a wallet', 'merchant-wallet-updates', ['notifier'], walletUpdate({ wallet: {} })],
  ['a wallet update without an amount', 'merchant-wallet-updates', ['notifier'], walletUpdate({ amount: {} })],
  [
    'a wallet update in a currency that there is not',
    'merchant-wallet-updates',
    ['notifier'],
    walletUpdate({ amount: { currency: 'XQQ', units: 1n } }),
  ],
];

describe('messages that decode and make no sense', () => {
  it('go to the dead-letter topic of each who cannot use them, untouched; orders around them are served', async () => {
    const before = await stack.books();
    // Among good orders, in one batch with them.
    const good = Array.from({ length: 20 }, () => stack.orders.placeAndWait({ ...goodOrder, requestId: `good-${++number}` }));
    await Promise.all(senseless.map(([, topic, , payload]) => publish(topic, payload, 'order-that-is-not')));
    const missing = senseless.flatMap(([what, topic, readers, payload]) =>
      readers.map(async (subscription) => {
        const why = expect.stringMatching(/^[A-Z_]+$/);
        const found = await expectDeadLettered(topic, subscription, payload, why).catch((cause: unknown) => String(cause));
        return found === undefined ? [] : [`${what}: ${found}`];
      }),
    );
    expect((await Promise.all(missing)).flat()).toEqual([]);
    expect((await Promise.all(good)).map(({ state }) => state)).toEqual(good.map(() => OrderState.PAID));
    await expectServed();
    const after = await stack.books();
    expect(after.charges - before.charges).toBe(21);
    expect(after.transfers - before.transfers).toBe(21);
  });

  it('are told to nobody where they are wallet updates that no rule is for', async () => {
    await publish('merchant-wallet-updates', walletUpdate({ kind: 99 as WalletUpdateKind }));
    await publish('merchant-wallet-updates', walletUpdate({ merchantId: 'merchant-0' }));
    await expectServed();
  });

  it('are stored as they are where they are log entries, and do not get in the way of the others', async () => {
    const odd = [
      {},
      { level: 99 },
      { kind: 99 },
      { eventTime: far },
      { eventTime: { seconds: -far.seconds } },
      { message: 'x'.repeat(200_000) },
    ];
    const before = await stack.books();
    for (const topic of ['order-logs-topic', 'transactions-logs-topic']) {
      for (const entry of odd) await publish(topic, bytes(LogEntrySchema, entry as MessageInitShape<typeof LogEntrySchema>));
    }
    await eventually('they are stored', async () => {
      const { logEntries } = await stack.books();
      return logEntries >= before.logEntries + 2 * odd.length ? true : undefined;
    });
    await expectServed();
  });

  it('on order-updates change no order and wake nobody with a lie that lasts', async () => {
    const { orderId, merchantId } = await stack.orders.createOrder({ ...goodOrder, requestId: `good-${++number}` });
    await publish('order-updates', bytes(OrderUpdateSchema, {}), orderId);
    await publish('order-updates', bytes(OrderUpdateSchema, { order: {} }), orderId);
    expect((await stack.orders.waitOrder({ orderId, merchantId })).order).toMatchObject({ orderId, state: OrderState.PAID });
    await expectServed();
  });
});
