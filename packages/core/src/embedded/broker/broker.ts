import type { Broker, SubscribeOptions } from '../../broker/port.ts';
import { systemClock } from '../../clock/system-clock.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import { silentLogger } from '../../logger/port.ts';
import { noTelemetry } from '../../telemetry/port.ts';
import { checkMax, createConsumer, type EmbeddedConsumer } from './consumer.ts';
import { createEngine } from './engine.ts';
import { createHousekeeping } from './housekeeping.ts';
import { createMemoryStore } from './memory-store.ts';
import { defaults, type EmbeddedBrokerOptions } from './options.ts';
import { createBrokerProducer } from './producer.ts';
import { createLogReader, type LogReader, toBrokerReader } from './reader.ts';
import { createSqliteStore } from './sqlite-store.ts';
import { afterThisTurn } from './system-turn.ts';

/** A broker that runs in this process. */
export interface EmbeddedBroker extends Broker, AsyncDisposable {}

function checkOptions(options: SubscribeOptions): void {
  const max = options.maxUnacknowledged;
  const redeliveries = options.deadLetter?.maxRedeliveries;
  const wrong =
    max !== undefined && !(Number.isInteger(max) && max > 0)
      ? `maxUnacknowledged wants an integer of at least 1, not ${max}`
      : redeliveries !== undefined && !(Number.isInteger(redeliveries) && redeliveries >= 0)
        ? `deadLetter.maxRedeliveries wants an integer of at least 0, not ${redeliveries}`
        : options.subscription === ''
          ? 'subscription wants a name'
          : undefined;
  if (wrong !== undefined) throw new PaystreamError('INVALID_ARGUMENT', wrong, { reason: 'BAD_SUBSCRIBE_OPTIONS' });
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
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const inMemory = options.path === undefined;
  const store =
    options.path === undefined ? createMemoryStore() : createSqliteStore({ path: options.path, synchronous: options.synchronous });
  const engine = createEngine({
    store,
    clock,
    logger,
    telemetry: options.telemetry ?? noTelemetry,
    cacheBytes: inMemory ? Number.POSITIVE_INFINITY : (options.cacheBytes ?? defaults.cacheBytes),
    // A commit in memory costs nothing: it need not wait for company.
    later: inMemory ? queueMicrotask : afterThisTurn,
    committed: () => housekeeping.wake(),
  });
  const housekeeping = createHousekeeping({
    clock,
    logger,
    store,
    topics: engine.topics,
    retentionOf: (topic) => options.topicRetention?.[topic] ?? options.retention ?? {},
  });
  const consumers = new Set<EmbeddedConsumer>();
  const closers = new Set<() => Promise<void>>();
  let closing: Promise<void> | undefined;

  const checkOpen = (): void => {
    if (closing !== undefined)
      throw new PaystreamError('FAILED_PRECONDITION', 'the embedded broker is closed', { reason: 'BROKER_CLOSED' });
  };

  const closeAll = async (): Promise<void> => {
    for (const close of [...closers]) await close();
    for (const consumer of [...consumers]) await consumer.close();
    engine.flush();
    housekeeping.close();
    engine.close();
  };
  const close = (): Promise<void> => {
    closing ??= closeAll();
    return closing;
  };

  return {
    name: 'embedded',
    capabilities: { delayedDelivery: true, seekByTime: true, deadLetter: true, durable: store.durable },
    createProducer: async ({ topic }) => {
      checkOpen();
      const producer = createBrokerProducer(engine, engine.topic(topic), options.maxMessageBytes ?? defaults.maxMessageBytes, () =>
        closers.delete(producer.close),
      );
      closers.add(producer.close);
      return producer;
    },
    subscribe: async (subscribeOptions) => {
      checkOpen();
      checkOptions(subscribeOptions);
      const consumer = await createConsumer(engine, engine.topic(subscribeOptions.topic), subscribeOptions, (one) => consumers.delete(one));
      consumers.add(consumer);
      return consumer;
    },
    createReader: async ({ topic, start }) => {
      checkOpen();
      const state = engine.topic(topic);
      const reader: LogReader = createLogReader(state.log, start ?? 'latest');
      let open = true;
      const canceled = (): PaystreamError =>
        new PaystreamError('CANCELED', `the reader of topic "${topic}" is closed`, { reason: 'READER_CLOSED' });
      const closeReader = async (): Promise<void> => {
        open = false;
        closers.delete(closeReader);
        state.readers.delete(reader);
        reader.end(canceled());
      };
      state.readers.add(reader);
      closers.add(closeReader);
      const check = (max: number): void => {
        checkMax(max);
        if (!open) throw canceled();
      };
      return toBrokerReader(reader, topic, check, closeReader);
    },
    ping: async () => {
      checkOpen();
      store.probe();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
