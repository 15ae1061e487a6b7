import { OrderState, PaymentState } from '@paystream/core/contracts';
import { describe, expect, it } from 'vitest';
import { refunded, settled, teaOrder, transaction } from '../testing/fixtures.ts';
import { createOrderWorld, type OrderWorld } from '../testing/order-world.ts';

/** What stands in the dead-letter topic, as text. */
async function deadLetters(orders: OrderWorld): Promise<readonly string[]> {
  const reader = await orders.world.broker.createReader({ topic: 'transactions-order-dlq', start: 'earliest' });
  const messages: string[] = [];
  const receiving = new AbortController();
  const reading = (async () => {
    for (;;) {
      for (const message of await reader.receive(100, receiving.signal)) messages.push(Buffer.from(message.payload).toString('latin1'));
    }
  })().catch(() => undefined);
  await orders.world.clock.settle();
  receiving.abort();
  await reading;
  await reader.close();
  return messages;
}

describe("payment's news", () => {
  it('is stored whatever the length of what a gateway says', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const words = 'x'.repeat(70_000);
    const [paid, declined] = [await service.createOrder(teaOrder('r-1')), await service.createOrder(teaOrder('r-2'))];
    await orders.say(
      transaction(paid, 1, { case: 'settled', value: { gatewayChargeId: words, captured: { currency: 'EUR', units: 900n } } }),
      transaction(declined, 1, { case: 'declined', value: { code: 'x', reason: words } }),
    );
    const stored = `${'x'.repeat(2_000)}…`;
    const read = ({ orderId, merchantId }: typeof paid) => service.getOrder({ orderId, merchantId });
    expect(await read(paid)).toMatchObject({ state: OrderState.PAID, gatewayChargeId: stored });
    expect(await read(declined)).toMatchObject({ state: OrderState.DECLINED, reason: stored });
  });

  it('is applied once, however often and in whatever order it comes', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    const paid = transaction(order, 1, settled(900n));
    const part = transaction(order, 2, refunded(300n), PaymentState.PARTIALLY_REFUNDED);
    const whole = transaction(order, 3, refunded(900n), PaymentState.REFUNDED);
    await orders.say(paid, paid, part, paid, whole, part, paid, whole);
    const { orderId, merchantId } = order;
    expect(await service.getOrder({ orderId, merchantId })).toMatchObject({
      state: OrderState.REFUNDED,
      version: 4n,
      refunded: { units: 900n },
      gatewayChargeId: 'ch-1',
    });
    expect(orders.facts()).toEqual(['order.placed', 'order.paid', 'order.partially_refunded', 'order.refunded']);
  });

  it('leaves an entry in the log that is found by the trace of its own message, in a batch too', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const placed = await Promise.all([1, 2, 3].map((i) => service.createOrder(teaOrder(`r-${i}`))));
    const traces = placed.map((_order, i) => `${i + 1}`.repeat(32));
    const sent = placed.map((order, i) =>
      orders.transactions.send(transaction(order, 1, settled(900n)), { traceparent: `00-${traces[i]}-b7ad6b7169203331-01` }),
    );
    await Promise.all(sent);
    await orders.world.clock.settle();
    expect(orders.world.telemetry.counter('paystream_order_transitions_total', { state: 'PAID' })).toBe(3);
    const paid = orders.entries.filter(({ event }) => event === 'order.paid');
    expect(new Map(paid.map((entry) => [entry.orderId, entry.traceId]))).toEqual(
      new Map(placed.map((order, i) => [order.orderId, traces[i]])),
    );
  });

  it('of a charge that came too late and cannot be given back reaches the client, in whatever order it comes', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const [first, second] = [await service.createOrder(teaOrder('r-1')), await service.createOrder(teaOrder('r-2'))];
    const expired = { case: 'expired', value: { attempts: 1 } } as const;
    const parked = { case: 'parked', value: { reason: 'refused: too_old' } } as const;
    await orders.say(transaction(first, 1, expired), transaction(first, 2, parked));
    await orders.say(transaction(second, 2, parked), transaction(second, 1, expired));
    for (const { orderId, merchantId } of [first, second]) {
      expect(await service.getOrder({ orderId, merchantId })).toMatchObject({
        state: OrderState.EXPIRED,
        reason: 'no charge succeeded in time; a person has to decide about a late charge: refused: too_old',
      });
    }
    expect(await deadLetters(orders)).toEqual([]);
  });

  it('waits for an order that another node of the database has and this one does not show yet', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const { orderId, merchantId } = await service.createOrder(teaOrder('r-1'));
    const { database, clock } = orders.world;
    const rename = `UPDATE ${database.tables('orders')} SET order_id = ? WHERE order_id = ?`;
    await database.transaction((tx) => tx.execute(rename, ['not-there-yet', orderId]));
    await orders.say(transaction({ orderId, merchantId }, 1, settled(900n)));
    await clock.advance(300);
    await database.transaction((tx) => tx.execute(rename, [orderId, 'not-there-yet']));
    await orders.world.advance({ seconds: 10 });
    expect(await deadLetters(orders)).toEqual([]);
    expect(await service.getOrder({ orderId, merchantId })).toMatchObject({ state: OrderState.PAID, version: 2n });
  });

  it('that cannot be goes to the dead-letter topic, and the rest of its batch is applied', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const placed = await Promise.all(Array.from({ length: 5 }, (_, i) => service.createOrder(teaOrder(`r-${i}`))));
    const stranger = { orderId: 'never-placed', merchantId: 'm-1' };
    await orders.say(
      ...placed.slice(0, 2).map((order) => transaction(order, 1, settled(900n))),
      transaction(stranger, 1, settled(900n)),
      transaction(placed[2] as never, 1, settled(1n)),
      ...placed.slice(3).map((order) => transaction(order, 1, settled(900n))),
    );
    await orders.world.advance({ seconds: 10 });
    const states = (await service.listOrders({ merchantId: 'm-1' })).orders.map((order) => order.state);
    expect(states.filter((state) => state === OrderState.PAID)).toHaveLength(4);
    expect(await deadLetters(orders)).toHaveLength(2);
  });

  it('that is no message at all goes to the dead-letter topic untouched, and the service goes on', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    const producer = await orders.world.broker.createProducer({ topic: 'transactions' });
    await producer.send({ payload: Buffer.from([0xff, 0xff, 0xff, 0x07]), key: order.orderId });
    await orders.say(transaction(order, 1, settled(900n)));
    await orders.world.advance({ seconds: 1 });
    expect((await service.getOrder({ orderId: order.orderId, merchantId: 'm-1' })).state).toBe(OrderState.PAID);
    expect(await deadLetters(orders)).toEqual(['\xff\xff\xff\x07']);
    await service.check();
  });
});
