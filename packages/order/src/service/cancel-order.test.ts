import { OrderState } from '@paystream/core/contracts';
import { describe, expect, it } from 'vitest';
import { errorOf, settled, teaOrder, transaction } from '../testing/fixtures.ts';
import { createOrderWorld } from '../testing/order-world.ts';

const canceled = { case: 'canceled', value: { reason: 'changed my mind' } } as const;

describe('a wish to cancel', () => {
  it('goes to payment once, however often it is repeated', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const { orderId, merchantId } = await service.createOrder(teaOrder('r-1'));
    const wish = { orderId, merchantId, reason: 'changed my mind' };
    const replies = await Promise.all([1, 2, 3].map(() => service.cancelOrder(wish)));
    await orders.world.clock.settle();
    expect(replies.map((order) => [order.state, order.version])).toEqual([1, 2, 3].map(() => [OrderState.CANCEL_REQUESTED, 2n]));
    expect(orders.orderEvents.map(({ event }) => event.case)).toEqual(['placed', 'cancelRequested']);
    expect(orders.facts()).toEqual(['order.placed', 'order.cancel_requested']);
    await orders.say(transaction({ orderId, merchantId }, 1, canceled));
    expect(await service.cancelOrder(wish)).toMatchObject({ state: OrderState.CANCELED, reason: 'changed my mind' });
  });

  it('stands in the log under the trace of who asked', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const { orderId, merchantId } = await service.createOrder(teaOrder('r-1'));
    const traceId = 'c'.repeat(32);
    await service.cancelOrder({ orderId, merchantId }, { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    await orders.world.clock.settle();
    expect(orders.entries.find(({ event }) => event === 'order.cancel_requested')?.traceId).toBe(traceId);
  });

  it('loses against a charge that was first, and then says so', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    const { orderId, merchantId } = order;
    await service.cancelOrder({ orderId, merchantId });
    await orders.say(transaction(order, 1, settled(900n)));
    expect((await service.getOrder({ orderId, merchantId })).state).toBe(OrderState.PAID);
    expect(await errorOf(service.cancelOrder({ orderId, merchantId }))).toMatchObject({
      code: 'FAILED_PRECONDITION',
      reason: 'ORDER_FINAL',
    });
    expect(orders.facts()).toEqual(['order.placed', 'order.cancel_requested', 'order.paid']);
  });

  it('has to wait while a person decides', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    await orders.say(transaction(order, 1, { case: 'parked', value: { reason: 'no answer' } }));
    const { orderId, merchantId } = order;
    expect((await errorOf(service.cancelOrder({ orderId, merchantId }))).reason).toBe('ORDER_IN_REVIEW');
  });
});
