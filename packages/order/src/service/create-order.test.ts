import { toJson } from '@bufbuild/protobuf';
import { OrderSchema, OrderState } from '@paystream/core/contracts';
import { describe, expect, it } from 'vitest';
import { staticCatalog } from '../catalog/static-catalog.ts';
import { errorOf, products, settled, teaOrder, transaction } from '../testing/fixtures.ts';
import { createOrderWorld } from '../testing/order-world.ts';
import type { CreateOrderInput } from './port.ts';

const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

describe('a placed order', () => {
  it('is priced by the catalog and handed to payment with its business entry, once', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(
      teaOrder('r-1', {
        items: [
          { productId: 'tea', quantity: 2 },
          { productId: 'cup', quantity: 1 },
        ],
      }),
    );
    await orders.world.clock.settle();
    expect(order).toMatchObject({
      state: OrderState.PENDING,
      version: 1n,
      merchantId: 'm-1',
      total: { currency: 'EUR', units: 2_100n },
      items: [
        { name: 'Green tea', unitPrice: { units: 450n }, total: { units: 900n } },
        { name: 'Cup', total: { units: 1_200n } },
      ],
    });
    expect(Number(order.expireTime?.seconds) - Number(order.createTime?.seconds)).toBe(120);
    expect(orders.orderEvents.map(({ event }) => event.case === 'placed' && event.value.order)).toEqual([order]);
    expect(orders.facts()).toEqual(['order.placed']);
    expect(await service.getOrder({ orderId: order.orderId, merchantId: 'm-1' })).toEqual(order);
  });

  it.each([0, -1, 0.5, Number.NaN, 3_153_600_000_001])(
    'is shown to everybody: a service whose orders would expire after %d ms, which no answer can say, does not start',
    async (expiryMs) => {
      await using orders = await createOrderWorld();
      await expect(orders.start({ expiryMs })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        reason: 'INVALID_ORDER_OPTION',
        message: `expiryMs is ${expiryMs}; it must be a whole number from 1 to 3153600000000, a hundred years`,
      });
    },
  );

  it('is shown to everybody where it expires as late as it may', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start({ expiryMs: 3_153_600_000_000 });
    const order = await service.createOrder(teaOrder('r-1'));
    expect(() => toJson(OrderSchema, order)).not.toThrow();
  });

  it('is placed and handed to payment with the most items and the longest names that it may have', async () => {
    await using orders = await createOrderWorld();
    const [productId, name] = ['😀'.repeat(64), '😀'.repeat(1_000)];
    const product = { productId, name, unitPrice: { currency: 'EUR', units: 1n } };
    const service = await orders.start({ catalog: staticCatalog({ 'm-1': [product] }) });
    const items = new Array(500).fill({ productId, quantity: 10_000 });
    const customer = { customerId: '😀'.repeat(64), name: '😀'.repeat(200), email: 'ada@example.org' };
    const order = await service.createOrder(teaOrder('r'.repeat(128), { items, customer }));
    await orders.world.clock.settle();
    const [event] = orders.orderEvents;
    expect(event?.event.case === 'placed' && event.event.value.order).toEqual(order);
  });

  it('is refused if no message could tell of it', async () => {
    await using orders = await createOrderWorld();
    const price = { name: 'x'.repeat(10_000), unitPrice: { currency: 'EUR', units: 1n } };
    const service = await orders.start({ catalog: { price: async (_, ids) => new Map(ids.map((id) => [id, price])) } });
    const items = new Array(500).fill({ productId: 'tea', quantity: 1 });
    const error = await errorOf(service.createOrder(teaOrder('r-1', { items })));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'ORDER_TOO_LARGE', violations: [{ field: 'items' }] });
    await service.createOrder(teaOrder('r-1', { items: items.slice(0, 400) }));
    await orders.world.clock.settle();
    expect(orders.orderEvents).toHaveLength(1);
  });

  it('is placed once, however often the request is repeated', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const first = await service.createOrder(teaOrder('r-1'));
    const again = await service.createOrder(teaOrder('r-1', { wait: { seconds: 0n, nanos: 0 } }));
    const atOnce = await Promise.all(many(40, () => service.createOrder(teaOrder('r-2'))));
    await orders.world.clock.settle();
    expect(again).toEqual(first);
    expect(new Set(atOnce.map((order) => order.orderId)).size).toBe(1);
    expect(orders.orderEvents).toHaveLength(2);
    expect(orders.facts()).toEqual(['order.placed', 'order.placed']);
  });

  it('is found again by its request after a restart, as it stands now', async () => {
    await using orders = await createOrderWorld();
    const before = await orders.start();
    const order = await before.createOrder(teaOrder('r-1'));
    await orders.say(transaction(order, 1, settled(900n)));
    await before.close();
    const after = await orders.start();
    expect(await after.createOrder(teaOrder('r-1'))).toMatchObject({ orderId: order.orderId, state: OrderState.PAID, version: 2n });
    expect(orders.orderEvents).toHaveLength(1);
  });

  it('stands although its product is no longer sold when the request is repeated', async () => {
    await using orders = await createOrderWorld();
    const before = await orders.start();
    const order = await before.createOrder(teaOrder('r-1'));
    const after = await orders.start({ catalog: staticCatalog({ 'm-1': products['m-1'].slice(1) }) });
    expect((await after.createOrder(teaOrder('r-1'))).orderId).toBe(order.orderId);
    expect((await errorOf(after.createOrder(teaOrder('r-2')))).reason).toBe('UNKNOWN_PRODUCT');
  });

  it('is not replaced by other content under its request id, alone or in one batch', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    const other = { items: [{ productId: 'tea', quantity: 3 }] };
    const error = await errorOf(service.createOrder(teaOrder('r-1', other)));
    expect(error).toMatchObject({ code: 'ALREADY_EXISTS', reason: 'REQUEST_ID_REUSED', details: { orderId: order.orderId } });
    const results = await Promise.allSettled([service.createOrder(teaOrder('r-2')), service.createOrder(teaOrder('r-2', other))]);
    expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
    await orders.world.clock.settle();
    expect(orders.orderEvents).toHaveLength(2);
  });

  it('may have the same request id as another merchant gave', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const first = await service.createOrder(teaOrder('r-1'));
    const second = await service.createOrder(teaOrder('r-1', { merchantId: 'm-2', items: [{ productId: 'pen', quantity: 1 }] }));
    expect(second.orderId).not.toBe(first.orderId);
    expect(second.total).toMatchObject({ currency: 'USD', units: 300n });
  });

  it('takes nobody down with it when it is bad: others of its batch are placed', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const results = await Promise.allSettled(
      many(30, (i) => service.createOrder(teaOrder(`r-${i}`, i % 3 === 0 ? { items: [{ productId: 'gold', quantity: 1 }] } : {}))),
    );
    await orders.world.clock.settle();
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(20);
    expect(orders.orderEvents).toHaveLength(20);
  });
});

describe('a bad request is refused with its code, its reason and each field', () => {
  const bad: readonly [string, Partial<CreateOrderInput>, string, string, readonly string[]][] = [
    ['no request id', { requestId: '' }, 'INVALID_ARGUMENT', 'REQUEST_INVALID', ['request_id']],
    ['a malformed request id', { requestId: 'r 1' }, 'INVALID_ARGUMENT', 'REQUEST_INVALID', ['request_id']],
    ['no customer', { customer: undefined as never }, 'INVALID_ARGUMENT', 'REQUEST_INVALID', ['customer']],
    [
      'a customer who cannot be reached',
      { customer: { customerId: 'c', name: '', email: 'nobody', phone: '030' } },
      'INVALID_ARGUMENT',
      'REQUEST_INVALID',
      ['customer.name', 'customer.email', 'customer.phone'],
    ],
    ['no payment method', { paymentMethod: undefined as never }, 'INVALID_ARGUMENT', 'REQUEST_INVALID', ['payment_method']],
    ['no items', { items: [] }, 'INVALID_ARGUMENT', 'REQUEST_INVALID', ['items']],
    [
      '100,000 items',
      { items: many(100_000, () => ({ productId: 'tea', quantity: 1 })) },
      'INVALID_ARGUMENT',
      'REQUEST_INVALID',
      ['items'],
    ],
    [
      'quantities of zero, below zero and far above',
      { items: [0, -1, 10_001, 1.5].map((quantity) => ({ productId: 'tea', quantity })) },
      'INVALID_ARGUMENT',
      'REQUEST_INVALID',
      ['items[0].quantity', 'items[1].quantity', 'items[2].quantity', 'items[3].quantity'],
    ],
    [
      'half a character',
      { customer: { customerId: 'c', name: '\ud800', email: 'a@b.c' } },
      'INVALID_ARGUMENT',
      'REQUEST_INVALID',
      ['customer.name'],
    ],
    ['a wait of an hour', { wait: { seconds: 3_600n, nanos: 0 } as never }, 'INVALID_ARGUMENT', 'REQUEST_INVALID', ['wait']],
    ['an unknown currency', { currency: 'XXQ' }, 'INVALID_ARGUMENT', 'UNKNOWN_CURRENCY', ['currency']],
    ['a currency that nothing is sold in', { currency: 'USD' }, 'INVALID_ARGUMENT', 'CURRENCY_MISMATCH', ['items[0].product_id']],
    [
      'two currencies',
      { items: ['tea', 'import'].map((productId) => ({ productId, quantity: 1 })) },
      'INVALID_ARGUMENT',
      'CURRENCY_MISMATCH',
      ['items[1].product_id'],
    ],
    ['nothing to charge', { items: [{ productId: 'sample', quantity: 1 }] }, 'INVALID_ARGUMENT', 'TOTAL_NOT_POSITIVE', ['items']],
    ['a sum beyond 63 bits', { items: [{ productId: 'palace', quantity: 2 }] }, 'INVALID_ARGUMENT', 'AMOUNT_OUT_OF_RANGE', []],
    ['an unknown product', { items: [{ productId: 'gold', quantity: 1 }] }, 'NOT_FOUND', 'UNKNOWN_PRODUCT', ['items[0].product_id']],
    ["another merchant's product", { items: [{ productId: 'pen', quantity: 1 }] }, 'NOT_FOUND', 'UNKNOWN_PRODUCT', ['items[0].product_id']],
    ['an unknown merchant', { merchantId: 'm-9' }, 'NOT_FOUND', 'UNKNOWN_MERCHANT', ['merchant_id']],
  ];

  it.each(bad)('%s', async (_, change, code, reason, fields) => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const error = await errorOf(service.createOrder(teaOrder('r-1', change)));
    expect(error).toMatchObject({ code, reason });
    expect(error.violations.map(({ field }) => field)).toEqual(fields);
    await orders.world.clock.settle();
    expect(orders.orderEvents).toEqual([]);
    expect((await service.listOrders({ merchantId: 'm-1' })).orders).toEqual([]);
  });
});
