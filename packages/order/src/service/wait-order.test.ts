import { type Broker, type BrokerReader, PaystreamError } from '@paystream/core';
import { OrderState, PaymentState } from '@paystream/core/contracts';
import { describe, expect, it } from 'vitest';
import { errorOf, refunded, settled, teaOrder, transaction } from '../testing/fixtures.ts';
import { createOrderWorld } from '../testing/order-world.ts';

const seconds = (count: number): { seconds: bigint; nanos: number } => ({ seconds: BigInt(count), nanos: 0 });

/** Readers that, told so, miss what they should have read and say so, or break. */
function lossyReaders(broker: Broker): { readonly broker: Broker; next: 'gap' | 'lost' | undefined; readonly faults: string[] } {
  const lossy: ReturnType<typeof lossyReaders> = {
    next: undefined,
    faults: [],
    broker: {
      ...broker,
      createReader: async (options) => {
        const reader = await broker.createReader(options);
        let gaps = 0;
        const receive: BrokerReader['receive'] = async (max, signal) => {
          const messages = await reader.receive(max, signal);
          if (lossy.next === undefined) return messages;
          lossy.faults.push(lossy.next);
          if (lossy.next === 'lost') throw new PaystreamError('UNAVAILABLE', 'the connection was cut', { reason: 'CUT' });
          gaps += 1;
          return [];
        };
        return {
          topic: reader.topic,
          close: () => reader.close(),
          receive,
          get gaps() {
            return gaps;
          },
        };
      },
    },
  };
  return lossy;
}

describe('one who waits', () => {
  it('gets the result in the reply to the order itself', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const reply = service.createOrder(teaOrder('r-1', { wait: seconds(60) as never }));
    await orders.world.runUntil(() => orders.orderEvents.length === 1);
    const event = orders.orderEvents[0]?.event;
    const placed = event?.case === 'placed' ? event.value.order : undefined;
    await orders.say(transaction(placed as never, 1, settled(900n)));
    expect(await reply).toMatchObject({ state: OrderState.PAID, gatewayChargeId: 'ch-1', version: 2n });
  });

  it('gets the order as it stands when the time is up, and the order stands', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const reply = service.createOrder(teaOrder('r-1', { wait: seconds(5) as never }));
    await orders.world.advance({ seconds: 5 });
    const order = await reply;
    expect(order.state).toBe(OrderState.PENDING);
    const later = service.waitOrder({ orderId: order.orderId, merchantId: 'm-1', timeout: seconds(1) as never });
    await orders.world.advance({ seconds: 1 });
    expect(await later).toMatchObject({ final: false, order: { state: OrderState.PENDING } });
  });

  it('is answered at once when the caller goes or the server stops; the order stands', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const gone = new AbortController();
    const stopping = new AbortController();
    const left = service.createOrder(teaOrder('r-1', { wait: seconds(60) as never }), { signal: gone.signal });
    const stopped = service.createOrder(teaOrder('r-2', { wait: seconds(60) as never }), { stopping: stopping.signal });
    await orders.world.clock.settle();
    gone.abort();
    stopping.abort();
    expect((await left).state).toBe(OrderState.PENDING);
    expect((await stopped).state).toBe(OrderState.PENDING);
    expect((await service.listOrders({ merchantId: 'm-1' })).orders).toHaveLength(2);
  });

  it('is woken on every replica, whichever of them applied the news', async () => {
    await using orders = await createOrderWorld();
    const replicas = [await orders.start(), await orders.start()] as const;
    const placed = await Promise.all(Array.from({ length: 20 }, (_, i) => replicas[0].createOrder(teaOrder(`r-${i}`))));
    const waits = placed.flatMap(({ orderId, merchantId }) =>
      replicas.map((replica) => replica.waitOrder({ orderId, merchantId, timeout: seconds(4) as never })),
    );
    await orders.say(...placed.map((order) => transaction(order, 1, settled(900n))));
    // Less than the time after which every waiter is read again.
    await orders.world.advance({ seconds: 1 });
    const results = await Promise.all(waits);
    expect(results.filter((result) => result.final && result.order?.state === OrderState.PAID)).toHaveLength(40);
  });

  it('is served by the store when the news never came', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start({ rereadMs: 5_000 });
    const order = await service.createOrder(teaOrder('r-1'));
    const reply = service.waitOrder({ orderId: order.orderId, merchantId: 'm-1', timeout: seconds(60) as never });
    await orders.world.clock.settle();
    const { database } = orders.world;
    await database.transaction(async (tx) => {
      await tx.execute(`UPDATE ${database.tables('orders')} SET state = ?, version = 2`, [OrderState.EXPIRED]);
    });
    await orders.world.advance({ seconds: 5 });
    expect(await reply).toMatchObject({ final: true, order: { state: OrderState.EXPIRED } });
  });

  it('is served by the store at once when the reader may have missed messages, and when the reader was lost', async () => {
    await using orders = await createOrderWorld();
    const lossy = lossyReaders(orders.world.broker);
    const service = await orders.start({ broker: lossy.broker, rereadMs: 3_600_000 });
    const other = await orders.start({ subscription: 'elsewhere', broker: lossy.broker, rereadMs: 3_600_000 });
    for (const fault of ['gap', 'lost'] as const) {
      const order = await service.createOrder(teaOrder(`r-${fault}`));
      const replies = [service, other].map(({ waitOrder }) =>
        waitOrder({ orderId: order.orderId, merchantId: 'm-1', timeout: seconds(60) as never }),
      );
      await orders.world.clock.settle();
      lossy.next = fault;
      await orders.say(transaction(order, 1, settled(900n)));
      await orders.world.advance({ seconds: 2 });
      expect((await Promise.all(replies)).map((reply) => reply.final)).toEqual([true, true]);
      expect(lossy.faults).toContain(fault);
    }
  });

  it('gets the result although garbage came before it', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    const reply = service.waitOrder({ orderId: order.orderId, merchantId: 'm-1', timeout: seconds(60) as never });
    const producer = await orders.world.broker.createProducer({ topic: 'order-updates' });
    await producer.send({ payload: Buffer.from([0xff, 0xff, 0xff, 0x07]), key: order.orderId });
    await orders.say(transaction(order, 1, settled(900n)));
    expect((await reply).final).toBe(true);
  });

  it('learns nothing of orders of other merchants', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const { orderId } = await service.createOrder(teaOrder('r-1'));
    const asOther = { orderId, merchantId: 'm-2' };
    const calls = [service.getOrder(asOther), service.waitOrder(asOther), service.cancelOrder(asOther)];
    for (const error of await Promise.all(calls.map(errorOf))) {
      expect(error).toMatchObject({ code: 'NOT_FOUND', reason: 'UNKNOWN_ORDER' });
    }
    const watch = service.watchOrder(asOther)[Symbol.asyncIterator]();
    expect((await errorOf(watch.next())).code).toBe('NOT_FOUND');
  });
});

describe('a watch', () => {
  it('tells the order as it is, then each version until payment has decided', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { event } of service.watchOrder({ orderId: order.orderId, merchantId: 'm-1' })) {
        seen.push(event.case === 'order' ? `${event.value.version}:${event.value.state}` : 'heartbeat');
      }
    })();
    await orders.world.clock.settle();
    await service.cancelOrder({ orderId: order.orderId, merchantId: 'm-1', reason: 'too late' });
    await orders.world.advance({ seconds: 31 });
    await orders.say(transaction(order, 1, settled(900n)));
    await watching;
    expect(seen).toEqual([`1:${OrderState.PENDING}`, `2:${OrderState.CANCEL_REQUESTED}`, 'heartbeat', 'heartbeat', `3:${OrderState.PAID}`]);
  });

  it('goes on after the version that was seen last, and ends at once where nothing can come', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    const watch = service.watchOrder({ orderId: order.orderId, merchantId: 'm-1', afterVersion: 1n })[Symbol.asyncIterator]();
    const next = watch.next();
    await orders.world.clock.settle();
    await orders.say(transaction(order, 1, settled(900n)));
    expect((await next).value?.event).toMatchObject({ case: 'order', value: { version: 2n } });
    expect((await watch.next()).done).toBe(true);
    const over = service.watchOrder({ orderId: order.orderId, merchantId: 'm-1', afterVersion: 2n })[Symbol.asyncIterator]();
    expect((await over.next()).done).toBe(true);
  });

  it('keeps only the newest order for one who reads slowly, and versions only grow', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const order = await service.createOrder(teaOrder('r-1'));
    const watch = service.watchOrder({ orderId: order.orderId, merchantId: 'm-1' })[Symbol.asyncIterator]();
    await watch.next();
    await service.cancelOrder({ orderId: order.orderId, merchantId: 'm-1' });
    await orders.say(transaction(order, 1, settled(900n)), transaction(order, 2, refunded(100n), PaymentState.PARTIALLY_REFUNDED));
    expect((await watch.next()).value?.event).toMatchObject({ case: 'order', value: { version: 4n } });
    expect((await watch.next()).done).toBe(true);
  });

  it('ends when its reader has gone, and with UNAVAILABLE when the service stops', async () => {
    await using orders = await createOrderWorld();
    const service = await orders.start();
    const { orderId, merchantId } = await service.createOrder(teaOrder('r-1'));
    const gone = new AbortController();
    const watches = [service.watchOrder({ orderId, merchantId }, { signal: gone.signal }), service.watchOrder({ orderId, merchantId })].map(
      (watch) => watch[Symbol.asyncIterator](),
    );
    await Promise.all(watches.map((watch) => watch.next()));
    const [left, stopped] = watches.map((watch) => watch.next());
    gone.abort();
    expect((await left)?.done).toBe(true);
    const failed = errorOf(stopped as Promise<unknown>);
    await service.close();
    expect(await failed).toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVICE_CLOSED' });
    expect((await errorOf(service.createOrder(teaOrder('r-2')))).code).toBe('UNAVAILABLE');
  });
});
