import { type Broker, createConsumer, createProducer, type Producer, type Running, systemClock } from '@paystream/core';
import {
  type LogEntry,
  type OrderEvent,
  OrderState,
  PaymentState,
  paystreamTopics,
  type TransactionEvent,
} from '@paystream/core/contracts';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Database } from '@paystream/core/sql';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { staticCatalog } from '../catalog/static-catalog.ts';
import { createOrderService } from '../service/order-service.ts';
import type { RunningOrderService } from '../service/port.ts';
import { products, refunded, settled, teaOrder, transaction } from './fixtures.ts';

const topics = paystreamTopics();
const catalog = staticCatalog(products);
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

let broker: Broker;
let databases: readonly [Database, Database];
let replicas: readonly [RunningOrderService, RunningOrderService];
let transactions: Producer<TransactionEvent>;
let listeners: readonly Running[];
let orderEvents: OrderEvent[];
let entries: LogEntry[];
let prefixes = 0;

/** Two replicas, each with connections of its own. Every event of payment reaches both: as if it were delivered twice, at once. */
beforeEach(async () => {
  const answer = await fetch(`${inject('sqlServers')}/default/start`);
  const { url } = (await answer.json()) as { readonly url: string };
  // No other test, and no earlier run on the same server, has such tables.
  const tablePrefix = `t${process.pid}_${systemClock.now().toString(36)}_${++prefixes}_`;
  const options = { url, tablePrefix, poolSize: 5 };
  broker = await createEmbeddedBroker();
  databases = [createMysqlDatabase(options), createMysqlDatabase(options)];
  const start = (database: Database, index: number): Promise<RunningOrderService> =>
    createOrderService({ database, broker, catalog, subscription: `order-${index}`, groupCommit: { concurrency: 2 } });
  // Both apply the migrations.
  replicas = (await Promise.all(databases.map(start))) as [RunningOrderService, RunningOrderService];
  transactions = await createProducer(broker, topics.transactions);
  orderEvents = [];
  entries = [];
  listeners = [
    await createConsumer(broker, topics.orders, {
      subscription: 'test',
      handleBatch: async (batch) => void orderEvents.push(...batch.map(({ value }) => value)),
    }),
    await createConsumer(broker, topics.orderLogs, {
      subscription: 'test',
      handleBatch: async (batch) => void entries.push(...batch.map(({ value }) => value)),
    }),
  ];
});
afterEach(async () => {
  for (const running of [...replicas, ...listeners, transactions]) await running.close();
  await broker.close();
  for (const database of databases) await database.close();
});

/** Resolves once what happened was told. */
const told = (count: number, list: () => readonly unknown[]): Promise<void> =>
  vi.waitFor(() => expect(list()).toHaveLength(count), { timeout: 30_000, interval: 20 });

describe('two replicas of the order service on one database', () => {
  it('place one order for a request that reaches both at once', async () => {
    const ids = many(60, (i) => `r-${i}`);
    // The one takes them from the front, the other from the back: batches overlap in every way.
    const [first, second] = await Promise.all([
      Promise.all(ids.map((id) => replicas[0].createOrder(teaOrder(id)))),
      Promise.all(ids.toReversed().map((id) => replicas[1].createOrder(teaOrder(id)))),
    ]);
    expect(second.toReversed().map((order) => order.orderId)).toEqual(first.map((order) => order.orderId));
    await told(60, () => orderEvents);
    await told(60, () => entries);
  });

  it('place one of two orders with one request id, and tell the other which it was', async () => {
    const other = { items: [{ productId: 'tea', quantity: 3 }] };
    const results = await Promise.all(
      many(40, (i) =>
        Promise.allSettled([replicas[0].createOrder(teaOrder(`r-${i}`)), replicas[1].createOrder(teaOrder(`r-${i}`, other))]),
      ),
    );
    for (const pair of results) {
      const won = pair.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      const lost = pair.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
      expect(won).toHaveLength(1);
      expect(lost).toMatchObject([{ reason: 'REQUEST_ID_REUSED', details: { orderId: won[0]?.orderId } }]);
    }
    await told(40, () => orderEvents);
  });

  it('fail the one order of a shared transaction that cannot be stored, and place the others', async () => {
    const table = databases[0].tables('orders');
    await databases[0].transaction((tx) => tx.execute(`ALTER TABLE ${table} ADD CONSTRAINT CHECK (request_id <> 'r-3')`));
    const results = await Promise.allSettled(many(8, (i) => replicas[0].createOrder(teaOrder(`r-${i}`))));
    expect(results.flatMap((result, index) => (result.status === 'rejected' ? [index] : []))).toEqual([3]);
    await told(7, () => orderEvents);
    expect((await replicas[1].listOrders({ merchantId: 'm-1' })).orders).toHaveLength(7);
  });

  it('apply news of payment once, although both get it', async () => {
    const orders = await Promise.all(many(30, (i) => replicas[i % 2 === 0 ? 0 : 1].createOrder(teaOrder(`r-${i}`))));
    const sends = orders.flatMap((order) => [
      transactions.send(transaction(order, 1, settled(900n))),
      transactions.send(transaction(order, 2, refunded(300n), PaymentState.PARTIALLY_REFUNDED)),
      transactions.send(transaction(order, 3, refunded(900n), PaymentState.REFUNDED)),
    ]);
    await Promise.all(sends);
    await told(30 * 4, () => entries);
    for (const { orderId, merchantId } of orders) {
      expect(await replicas[0].getOrder({ orderId, merchantId })).toMatchObject({ state: OrderState.REFUNDED, version: 4n });
    }
  });

  it('ask payment once to cancel an order, although both are asked', async () => {
    const orders = await Promise.all(many(20, (i) => replicas[0].createOrder(teaOrder(`r-${i}`))));
    const both = await Promise.all(
      orders.flatMap(({ orderId, merchantId }) => replicas.map((replica) => replica.cancelOrder({ orderId, merchantId, reason: 'why' }))),
    );
    expect(both.every((order) => order.state === OrderState.CANCEL_REQUESTED && order.version === 2n)).toBe(true);
    await told(40, () => orderEvents);
    expect(orderEvents.filter(({ event }) => event.case === 'cancelRequested')).toHaveLength(20);
  });
});
