import { create } from '@bufbuild/protobuf';
import {
  createBatcher,
  createConsumer,
  createIdGenerator,
  noTelemetry,
  PaystreamError,
  silentLogger,
  systemClock,
  systemRandom,
} from '@paystream/core';
import {
  CancelOrderRequestSchema,
  createBusinessLog,
  GetOrderRequestSchema,
  ListOrdersRequestSchema,
  msFromDuration,
  paystreamTopics,
  WaitOrderRequestSchema,
  WaitOrderResponseSchema,
  WatchOrderRequestSchema,
} from '@paystream/core/contracts';
import { createOutbox } from '@paystream/core/sql';
import { encodedTopic } from '../order/encoded-topic.ts';
import { isFinalState } from '../order/states.ts';
import { checkReason, checkTimeout } from '../placing/check-request.ts';
import type { Draft } from '../placing/new-order.ts';
import { type Placement, placeOrders } from '../placing/place-orders.ts';
import { applyTransactions } from '../projection/apply-transactions.ts';
import { orderMigrations } from '../store/migrations.ts';
import { createOrderStore } from '../store/order-store.ts';
import { createOrderFeed } from '../waits/order-feed.ts';
import { createWatchers } from '../waits/watchers.ts';
import { type CancelContext, cancelOrder } from './cancel-order.ts';
import { checkExpiry } from './check-expiry.ts';
import { closeAll } from './close-all.ts';
import { createOrder } from './create-order.ts';
import { listOrders } from './list-orders.ts';
import type { OrderServiceOptions } from './options.ts';
import type { OrderService, RunningOrderService } from './port.ts';
import { orderReader } from './read-order.ts';
import { orderRpcService } from './rpc.ts';
import { waitUntilFinal } from './wait-order.ts';
import { serviceClosed, watchOrder } from './watch-order.ts';

/** How what a call works on says that it was closed. */
const ends: ReadonlySet<string> = new Set(['CLOSED', 'POOL_CLOSED']);
const defaults = { subscription: 'order', expiryMs: 120_000, heartbeatMs: 15_000, rereadMs: 5_000, timeoutMs: 30_000 } as const;

/**
 * Starts the order service: it stores orders, hands them to payment, and follows what payment decides. Any number of
 * replicas may share a database and a broker; each wakes those who wait on it, whichever replica applied the news.
 *
 * Throws `UNAVAILABLE` if database or broker cannot be reached or the broker refuses one of the topics; `FAILED_PRECONDITION` /
 * `SCHEMA_INCOMPLETE` where a table or column was dropped, `SCHEMA_OUT_OF_DATE` where migrations are only checked; `INVALID_ARGUMENT` / `INVALID_ORDER_OPTION` for an `expiryMs` that makes no sense.
 *
 * @example
 * const orders = await createOrderService({ database, broker, catalog });
 * const order = await orders.createOrder({ requestId: 'r-1', merchantId: 'm-1', customer, paymentMethod, items });
 */
export async function createOrderService(options: OrderServiceOptions): Promise<RunningOrderService> {
  const { database, broker, catalog, clock = systemClock, random = systemRandom } = options;
  const { logger = silentLogger, telemetry = noTelemetry, topics = paystreamTopics() } = options;
  const { subscription = defaults.subscription, expiryMs = defaults.expiryMs, migrations = 'apply' } = options;
  checkExpiry(expiryMs);
  const encoded = { orders: encodedTopic(topics.orders), updates: encodedTopic(topics.orderUpdates) };
  await database.migrate(orderMigrations, migrations);

  const nextId = createIdGenerator(clock, random);
  const store = createOrderStore(database);
  const watchers = createWatchers(clock, options.heartbeatMs ?? defaults.heartbeatMs);
  const outbox = options.outbox ?? (await createOutbox({ database, broker, clock, random, logger, telemetry, migrations }));
  const context: CancelContext = {
    database,
    store,
    outbox,
    watchers,
    telemetry,
    ...encoded,
    businessLog: createBusinessLog({ topic: topics.orderLogs, service: 'order', clock, nextId, telemetry }),
  };
  const batcher = createBatcher<Draft, Placement>({
    name: 'order-placing',
    telemetry,
    traceOf: (draft) => draft.trace,
    run: (drafts) => placeOrders(context, drafts),
    maxSize: options.groupCommit?.maxSize ?? 256,
    concurrency: options.groupCommit?.concurrency ?? 1,
    maxWaiting: options.groupCommit?.maxWaiting ?? 10_000,
  });
  const creating = { catalog, store, batcher, watchers, expiryMs, clock, nextId, telemetry };
  const read = orderReader(store);

  const steps: ((timeoutMs: number) => Promise<void>)[] = [];
  if (options.outbox === undefined) steps.unshift((timeoutMs) => outbox.close(timeoutMs));
  let closing: Promise<void> | undefined;
  const close = (timeoutMs = 10_000): Promise<void> => {
    watchers.close();
    closing ??= closeAll(steps, clock, timeoutMs);
    return closing;
  };
  const open = (): void => {
    if (closing !== undefined) throw serviceClosed();
  };
  /** A call that is under way when the service closes may find closed what it needs: batcher, outbox, or a database of the caller's. */
  const whileOpen = async <T>(call: () => Promise<T>): Promise<T> => {
    open();
    try {
      return await call();
    } catch (error) {
      if (closing !== undefined && ends.has(PaystreamError.from(error).reason)) throw serviceClosed(error);
      throw error;
    }
  };

  try {
    await outbox.prepare([topics.orders, topics.orderUpdates, topics.orderLogs]);
    const feed = await createOrderFeed({
      broker,
      topic: topics.orderUpdates,
      store,
      watchers,
      clock,
      logger,
      rereadMs: options.rereadMs ?? defaults.rereadMs,
    });
    steps.unshift(() => feed.close());
    const consumer = await createConsumer(broker, topics.transactions, {
      subscription,
      handleBatch: (batch) => applyTransactions(context, batch),
      clock,
      random,
      logger,
      telemetry,
    });
    steps.unshift((timeoutMs) => consumer.close(timeoutMs));
    steps.unshift(() => batcher.close());

    const service: Omit<OrderService, 'rpc'> = {
      createOrder: (input, call = {}) => whileOpen(() => createOrder(creating, input, call)),
      getOrder: (input) =>
        whileOpen(async () => {
          const { orderId, merchantId } = create(GetOrderRequestSchema, input);
          return read(orderId, merchantId);
        }),
      listOrders: (input) => whileOpen(async () => listOrders(store, create(ListOrdersRequestSchema, input))),
      waitOrder: (input, call = {}) =>
        whileOpen(async () => {
          const { orderId, merchantId, timeout } = create(WaitOrderRequestSchema, input);
          const timeoutMs = msFromDuration(timeout) ?? defaults.timeoutMs;
          checkTimeout(timeoutMs);
          const watcher = watchers.add(orderId, 0n);
          try {
            const order = await waitUntilFinal(clock, watcher, await read(orderId, merchantId), timeoutMs, call);
            return create(WaitOrderResponseSchema, { order, final: isFinalState(order.state) });
          } finally {
            watchers.remove(watcher);
          }
        }),
      watchOrder: (input, call = {}) => {
        open();
        const request = create(WatchOrderRequestSchema, input);
        return watchOrder(watchers, () => whileOpen(() => read(request.orderId, request.merchantId)), request, call);
      },
      cancelOrder: (input, call = {}) =>
        whileOpen(async () => {
          const request = create(CancelOrderRequestSchema, input);
          checkReason(request.reason);
          return cancelOrder(context, request, clock.now(), { traceparent: call.traceparent, tracestate: call.tracestate });
        }),
    };
    return {
      ...service,
      rpc: orderRpcService(service),
      check: async () => {
        open();
        await Promise.all([database.ping(), broker.ping()]);
        const { state, pausedBy } = consumer.status;
        if (state === 'running') return;
        throw new PaystreamError('UNAVAILABLE', `reading "${consumer.topic}" is ${state}: ${pausedBy ?? 'no reason known'}`, {
          reason: 'CONSUMER_NOT_RUNNING',
        });
      },
      close,
      [Symbol.asyncDispose]: () => close(),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
