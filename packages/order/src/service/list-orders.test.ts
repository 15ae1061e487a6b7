import { OrderState } from '@paystream/core/contracts';
import { describe, expect, it } from 'vitest';
import { errorOf, settled, teaOrder, transaction } from '../testing/fixtures.ts';
import { createOrderWorld } from '../testing/order-world.ts';

describe("a merchant's list", () => {
  it('has every order once, newest first, page by page, and none of others', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const placed: string[] = [];
    for (let i = 0; i < 7; i++) {
      placed.unshift((await service.createOrder(teaOrder(`r-${i}`))).orderId);
      await service.createOrder(teaOrder(`r-${i}`, { merchantId: 'm-2', items: [{ productId: 'pen', quantity: 1 }] }));
    }
    const pages: string[][] = [];
    let pageToken = '';
    do {
      const page = await service.listOrders({ merchantId: 'm-1', pageSize: 3, pageToken });
      pages.push(page.orders.map((order) => order.orderId));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
    expect(pages.flat()).toEqual(placed);
  });

  it('holds only orders in the state that was asked for', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const placed = await Promise.all(Array.from({ length: 6 }, (_, i) => service.createOrder(teaOrder(`r-${i}`))));
    const paid = placed.filter((_, i) => i % 2 === 0);
    await orders.say(...paid.map((order) => transaction(order, 1, settled(900n))));
    const first = await service.listOrders({ merchantId: 'm-1', state: OrderState.PAID, pageSize: 2 });
    const rest = await service.listOrders({ merchantId: 'm-1', state: OrderState.PAID, pageSize: 2, pageToken: first.nextPageToken });
    const ids = [...first.orders, ...rest.orders].map((order) => order.orderId);
    expect(ids).toEqual(paid.map((order) => order.orderId).toReversed());
    expect(
      rest.nextPageToken === '' ||
        (await service.listOrders({ merchantId: 'm-1', state: OrderState.PAID, pageToken: rest.nextPageToken })).orders,
    ).toEqual(rest.nextPageToken === '' ? true : []);
  });

  it.each(['garbage', '%%%', 'bzEuJyBPUiAxPTE', '\u{1f600}'])('refuses the page token %j', async (pageToken) => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const error = await errorOf(service.listOrders({ merchantId: 'm-1', pageToken }));
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_PAGE_TOKEN', violations: [{ field: 'page_token' }] });
  });
});
