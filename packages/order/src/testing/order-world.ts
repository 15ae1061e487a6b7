import { createConsumer, createProducer, type Producer } from '@paystream/core';
import { type LogEntry, type OrderEvent, paystreamTopics, type TransactionEvent } from '@paystream/core/contracts';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { staticCatalog } from '../catalog/static-catalog.ts';
import type { OrderServiceOptions } from '../service/options.ts';
import { createOrderService } from '../service/order-service.ts';
import type { RunningOrderService } from '../service/port.ts';
import { products } from './fixtures.ts';

/** A world with what stands around an order service. */
export interface OrderWorld extends AsyncDisposable {
  readonly world: TestWorld;
  /** Starts a service, or another replica, on the world's database and broker. It is closed with the world. */
  start(options?: Partial<OrderServiceOptions>): Promise<RunningOrderService>;
  /** Publishes what payment says. */
  say(...events: readonly TransactionEvent[]): Promise<void>;
  readonly transactions: Producer<TransactionEvent>;
  /** What the service told payment. */
  readonly orderEvents: readonly OrderEvent[];
  /** The business entries, in order. */
  readonly entries: readonly LogEntry[];
  /** Their names. */
  facts(): readonly string[];
}

const topics = paystreamTopics();

/** Makes a world for the order service, as {@link createTestWorld} does. */
export async function createOrderWorld(seed = 1): Promise<OrderWorld> {
  const world = await createTestWorld({ seed });
  const { broker, clock, random } = world;
  const services: RunningOrderService[] = [];
  const orderEvents: OrderEvent[] = [];
  const entries: LogEntry[] = [];
  const transactions = await createProducer(broker, topics.transactions, { clock, random });
  const listeners = [
    await createConsumer(broker, topics.orders, {
      subscription: 'test',
      clock,
      random,
      handleBatch: async (batch) => void orderEvents.push(...batch.map(({ value }) => value)),
    }),
    await createConsumer(broker, topics.orderLogs, {
      subscription: 'test',
      clock,
      random,
      handleBatch: async (batch) => void entries.push(...batch.map(({ value }) => value)),
    }),
  ];
  return {
    world,
    transactions,
    orderEvents,
    entries,
    facts: () => entries.map((entry) => entry.event),
    start: async (options = {}) => {
      const { database, telemetry } = world;
      const service = await createOrderService({
        database,
        broker,
        clock,
        random,
        telemetry,
        catalog: staticCatalog(products),
        ...options,
      });
      services.push(service);
      return service;
    },
    say: async (...events) => {
      for (const event of events) await transactions.send(event);
      await clock.settle();
    },
    [Symbol.asyncDispose]: async () => {
      for (const running of [...services, ...listeners, transactions]) {
        // Closing may wait by the clock: time passes until it is done.
        let done = false;
        const closing = running.close().finally(() => {
          done = true;
        });
        await clock.runUntil(() => done).catch(() => closing);
        await closing;
      }
      await world[Symbol.asyncDispose]();
    },
  };
}
