import type { Broker, SubscribeOptions } from '../../broker/port.ts';
import { systemClock } from '../../clock/system-clock.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import { silentLogger } from '../../logger/port.ts';
import { noTelemetry } from '../../telemetry/port.ts';
import { openSqlite } from '../sqlite/open.ts';
import { createConsumer } from './consumer.ts';
import { createEngine } from './engine.ts';
import { createHousekeeping } from './housekeeping.ts';
import { createMemoryStore } from './memory-store.ts';
import { defaults, type EmbeddedBrokerOptions } from './options.ts';
import { createBrokerProducer } from './producer.ts';
import { createBrokerReader } from './reader.ts';
import { createSqliteStore } from './sqlite-store.ts';
import type { EntryStore } from './store.ts';
import { afterThisTurn } from './system-turn.ts';

/** A broker that runs in this process. */
export interface EmbeddedBroker extends Broker, AsyncDisposable {}

function refuse(what: string): never {
  throw new PaystreamError('INVALID_ARGUMENT', what, { reason: 'BAD_OPTIONS' });
}

function checkTopic(topic: string): void {
  if (topic === '') refuse('a topic wants a name');
}

function checkOptions({ topic, subscription, maxUnacknowledged: max, deadLetter }: SubscribeOptions): void {
  checkTopic(topic);
  if (subscription === '') refuse('a subscription wants a name');
  if (max !== undefined && !(Number.isInteger(max) && max > 0)) refuse(`maxUnacknowledged wants an integer of at least 1, not ${max}`);
  if (deadLetter === undefined) return;
  checkTopic(deadLetter.topic);
  if (deadLetter.topic === topic) refuse(`topic "${topic}" cannot be its own dead-letter topic`);
  if (deadLetter.subscription === '') refuse('a subscription wants a name');
  const redeliveries = deadLetter.maxRedeliveries;
  if (!(Number.isInteger(redeliveries) && redeliveries >= 0)) refuse(`maxRedeliveries wants an integer of at least 0, not ${redeliveries}`);
}

/** A broker on a store, which it closes. */
export function createBrokerOn(store: EntryStore, options: EmbeddedBrokerOptions): EmbeddedBroker {
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const telemetry = options.telemetry ?? noTelemetry;
  const engine = createEngine({
    store,
    clock,
    logger,
    telemetry,
    cacheBytes: store.durable ? (options.cacheBytes ?? defaults.cacheBytes) : Number.POSITIVE_INFINITY,
    // A commit in memory costs nothing: it need not wait for company.
    later: store.durable ? afterThisTurn : queueMicrotask,
    committed: () => housekeeping.wake(),
  });
  const housekeeping = createHousekeeping({
    clock,
    logger,
    telemetry,
    store,
    topics: engine.topics,
    retentionOf: (topic) => options.topicRetention?.[topic] ?? options.retention ?? {},
  });
  const open = new Set<{ close(): Promise<void> }>();
  let closing: Promise<void> | undefined;

  const checkOpen = (): void => {
    if (closing !== undefined)
      throw new PaystreamError('FAILED_PRECONDITION', 'the embedded broker is closed', { reason: 'BROKER_CLOSED' });
  };

  /** Remembers what is made, in order to close it, until it is closed. */
  const opened = <T extends { close(): Promise<void> }>(make: (onClose: () => void) => T): T => {
    const made = make(() => open.delete(made));
    open.add(made);
    return made;
  };

  const closeAll = async (): Promise<void> => {
    await Promise.all([...open].map((one) => one.close()));
    housekeeping.close();
    await engine.close();
  };
  const close = (): Promise<void> => {
    closing ??= closeAll();
    return closing;
  };

  return {
    name: 'embedded',
    capabilities: {
      delayedDelivery: true,
      seekByTime: true,
      deadLetter: true,
      backlog: true,
      acknowledgementReceipts: true,
      durable: store.durable,
    },
    createProducer: async ({ topic, initialSubscription }) => {
      checkOpen();
      checkTopic(topic);
      if (initialSubscription === '') refuse('a subscription wants a name');
      if (initialSubscription !== undefined) {
        engine.subscription(engine.topic(topic), initialSubscription, 'earliest');
        await engine.stored();
        checkOpen();
      }
      return opened((onClose) =>
        createBrokerProducer(engine, engine.topic(topic), options.maxMessageBytes ?? defaults.maxMessageBytes, onClose),
      );
    },
    subscribe: async (subscribeOptions) => {
      checkOpen();
      checkOptions(subscribeOptions);
      const consumer = opened((onClose) => createConsumer(engine, engine.topic(subscribeOptions.topic), subscribeOptions, onClose));
      await consumer.created();
      return consumer;
    },
    createReader: async ({ topic, start }) => {
      checkOpen();
      checkTopic(topic);
      return opened((onClose) => createBrokerReader(engine.topic(topic), start ?? 'latest', onClose));
    },
    ping: async () => {
      checkOpen();
      store.probe();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/**
 * Makes a broker that runs in this process: in memory, or in one SQLite file of which nothing that was acknowledged is lost,
 * however the process ends. Everything that is published and acknowledged in one turn of the event loop shares one commit.
 *
 * A message is removed once every subscription of its topic has acknowledged it. Topics without a subscription keep theirs
 * for a while (`retention.unconsumed`), so that a service which starts later finds them. How often a message was delivered
 * is known only while the process lives; what was not acknowledged is delivered again after a restart.
 *
 * Errors when it is opened: `FAILED_PRECONDITION` (`DATABASE_IN_USE`, `DATABASE_READ_ONLY`, `DATABASE_CANNOT_OPEN`,
 * `SCHEMA_TOO_NEW`, `NOT_A_BROKER_FILE`) and `DATA_LOSS` (`DATABASE_CORRUPT`). While the disk is full, sends and
 * acknowledgements reject with `UNAVAILABLE` / `DISK_FULL`.
 *
 * @example
 * ```ts
 * await using broker = await createEmbeddedBroker({ path: './data/broker.db' });
 * const producer = await broker.createProducer({ topic: 'orders' });
 * await producer.send({ payload: new TextEncoder().encode('hello'), key: 'order-1' });
 * ```
 */
export async function createEmbeddedBroker(options: EmbeddedBrokerOptions = {}): Promise<EmbeddedBroker> {
  const { path, synchronous } = options;
  const inMemory = path === undefined || path === ':memory:';
  const store = inMemory ? createMemoryStore() : createSqliteStore(openSqlite({ path, synchronous }));
  try {
    return createBrokerOn(store, options);
  } catch (error) {
    store.close();
    throw error;
  }
}
