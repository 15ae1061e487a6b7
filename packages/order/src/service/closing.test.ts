import { PaystreamError } from '@paystream/core';
import { OrderState } from '@paystream/core/contracts';
import type { Database } from '@paystream/core/sql';
import { describe, expect, it } from 'vitest';
import type { Catalog } from '../catalog/port.ts';
import { staticCatalog } from '../catalog/static-catalog.ts';
import { errorOf, products, teaOrder } from '../testing/fixtures.ts';
import { createOrderWorld } from '../testing/order-world.ts';

const serviceClosed = { code: 'UNAVAILABLE', reason: 'SERVICE_CLOSED', retryable: true };

describe('a call that meets the end of the service is told to come again', () => {
  it.each([
    ['that waits for nothing', 0n],
    ['that waits for its result', 5n],
  ])('to place an order whose prices come too late: one %s', async (_, seconds) => {
    await using orders = await createOrderWorld();
    const slow = Promise.withResolvers<void>();
    const sold = staticCatalog(products);
    const catalog: Catalog = { price: (...asked) => slow.promise.then(() => sold.price(...asked)) };
    const service = await orders.start({ catalog });
    const failing = errorOf(service.createOrder(teaOrder('r-1', { wait: { seconds, nanos: 0 } as never })));
    const closing = service.close();
    slow.resolve();
    await orders.world.clock.settle();
    expect(await failing).toMatchObject(serviceClosed);
    await closing;
    const next = await orders.start();
    expect((await next.listOrders({ merchantId: 'm-1' })).orders).toEqual([]);
  });

  it.each(['CLOSED', 'POOL_CLOSED'])('to read one, whose database has ended and says so by %s', async (reason) => {
    await using orders = await createOrderWorld();
    const { database } = orders.world;
    const slow = Promise.withResolvers<never>();
    let held = false;
    const ended: Database = { ...database, query: (...asked) => (held ? slow.promise : database.query(...asked)) };
    const service = await orders.start({ database: ended });
    held = true;
    const failing = errorOf(service.getOrder({ orderId: 'o-1', merchantId: 'm-1' }));
    held = false;
    const closing = service.close();
    slow.reject(new PaystreamError('UNAVAILABLE', 'the database was closed', { reason }));
    expect(await failing).toMatchObject(serviceClosed);
    await closing;
  });

  it('to cancel one, whose transaction begins too late, and the order is not touched', async () => {
    await using orders = await createOrderWorld();
    const { database } = orders.world;
    const slow = Promise.withResolvers<void>();
    let held = false;
    const late: Database = {
      ...database,
      transaction: (work, how) => (held ? slow.promise : Promise.resolve()).then(() => database.transaction(work, how)),
    };
    const service = await orders.start({ database: late });
    const { orderId, merchantId } = await service.createOrder(teaOrder('r-1'));
    held = true;
    const failing = errorOf(service.cancelOrder({ orderId, merchantId }));
    held = false;
    await service.close();
    slow.resolve();
    expect(await failing).toMatchObject(serviceClosed);
    const next = await orders.start();
    expect((await next.getOrder({ orderId, merchantId })).state).toBe(OrderState.PENDING);
  });
});
