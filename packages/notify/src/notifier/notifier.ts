import {
  type Broker,
  type Clock,
  type Consumer,
  createConsumer,
  createIdGenerator,
  type Logger,
  noTelemetry,
  type Random,
  type Running,
  silentLogger,
  systemClock,
  systemRandom,
  type Telemetry,
  type Topic,
} from '@paystream/core';
import { createBusinessLog, type LogEntry, paystreamTopics } from '@paystream/core/contracts';
import { createBacklogGauges, createOutbox, type Database, type MigrationMode, type Outbox } from '@paystream/core/sql';
import type { Channel } from '../channel/port.ts';
import { createDeliveryStore } from './delivery-store.ts';
import { type ChannelStatus, createDispatcher, type Dispatcher } from './dispatcher.ts';
import { createIntake } from './intake.ts';
import { notifierMigrations } from './migrations.ts';
import { createOwnership } from './ownership.ts';
import { createRecorder } from './recorder.ts';
import { type DeliveryRetry, defaultRetry } from './retry.ts';
import { type AnyRule, checkNames, checkRules, type NotificationRule, rulesByTopic } from './rules.ts';
import { createStoring } from './storing.ts';

/** Options of {@link createNotifier}. `R` are the types of the rules' events. */
export interface NotifierOptions<R extends readonly unknown[]> {
  /** Where deliveries are stored. Not closed by the notifier. */
  readonly database: Database;
  /** What carries events. Not closed by the notifier. */
  readonly broker: Broker;
  /** The channels, by the names that templates, addresses and the delivery log use. The caller closes them, after the notifier. */
  readonly channels: Readonly<Record<string, Channel>>;
  /** What is told to whom. */
  readonly rules: { readonly [K in keyof R]: NotificationRule<R[K]> };
  /** When deliveries are tried again. What is left out has its default. */
  readonly retry?: DeliveryRetry;
  /** How channels are called. What is left out has its default. */
  readonly delivery?: {
    /** At most so many calls of one channel at once. Default: 8; 2 for a batch channel. */
    readonly concurrency?: number;
    /** At most so many messages in one call of a batch channel. Default: 500. */
    readonly batchSize?: number;
    /** How long one call of a channel may take, in milliseconds, before its outcome counts as unknown. Default: 30,000. */
    readonly timeoutMs?: number;
  };
  /** Publishes the business entries. Default: one that the notifier creates and closes. */
  readonly outbox?: Outbox;
  /** Where business entries go: `notification.delivered`, `.rejected`, `.failed`, `.unknown`. Default: `transactions-logs-topic`. */
  readonly logTopic?: Topic<LogEntry>;
  /** The durable subscription that all instances share. Default: `notifier`. */
  readonly subscription?: string;
  /** Under which name this instance keeps its counts; they are summed up. Give each replica its own: those with one name wait for each other at each outcome. At most 128 characters. Default: `notifier`. */
  readonly instance?: string;
  /** How long an instance that has died keeps others from its deliveries, in milliseconds. Where the database is exclusive they are taken over at once. They look for each other's every third of it. Default: 6,000. */
  readonly leaseMs?: number;
  /** Default: `apply`. */
  readonly migrations?: MigrationMode;
  /** Default: {@link systemClock}. */
  readonly clock?: Clock;
  /** Default: {@link systemRandom}. */
  readonly random?: Random;
  /** Default: nothing is written. */
  readonly logger?: Logger;
  /** Default: none. */
  readonly telemetry?: Telemetry;
}

/** A running notifier. */
export interface Notifier extends Running, AsyncDisposable {
  /** Where the deliveries are; for {@link notificationRpcService}. */
  readonly database: Database;
  /** How each channel is. */
  readonly channels: readonly ChannelStatus[];
  /** Rejects with `UNAVAILABLE` if the database cannot be written or events are not taken in. A channel that is away is no reason: see `channels`. */
  check(): Promise<void>;
}

const deliveryDefaults = { batchSize: 500, timeoutMs: 30_000 } as const;

/**
 * Starts a notifier: it reads topics, stores one delivery for each event, channel and recipient, acknowledges, and then
 * delivers. What happens to a delivery is recorded together with a business entry that tells of it. A delivery that fails
 * is tried again at growing gaps; one that was under way when the process ended is taken up by whoever runs next.
 *
 * The rendered message is stored with the delivery until it is delivered, so that every try sends the same text, even
 * after the template has changed.
 *
 * A channel that is slow or away holds up neither the others nor the topics: its deliveries wait in the table.
 *
 * Errors: `INVALID_ARGUMENT` / `UNKNOWN_CHANNEL` for a template without a channel, `INVALID_NOTIFIER_OPTION` for an instance or a
 * channel whose name has more than 128 characters; what a channel's `open` throws; `UNAVAILABLE` if
 * database or broker cannot be reached or the broker refuses one of the topics; `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` where a
 * table or column was dropped, `SCHEMA_OUT_OF_DATE` where migrations are only checked.
 *
 * @example
 * const notifier = await createNotifier({
 *   database, broker,
 *   channels: { email: smtpChannel({ url, from }) },
 *   rules: [{ on: paystreamTopics().walletUpdates, to: merchants, templates: { email: saleEmail } }],
 * });
 */
export async function createNotifier<const R extends readonly unknown[]>(options: NotifierOptions<R>): Promise<Notifier> {
  const { database, broker, channels, instance = 'notifier', subscription = 'notifier' } = options;
  const { clock = systemClock, random = systemRandom, logger = silentLogger, telemetry = noTelemetry } = options;
  const rules = options.rules as readonly AnyRule[];
  const names = Object.keys(channels);
  checkNames(instance, names);
  checkRules(rules, names);
  await database.migrate(notifierMigrations, options.migrations ?? 'apply');
  for (const channel of Object.values(channels)) await channel.open?.();

  const nextId = createIdGenerator(clock, random);
  const store = createDeliveryStore(database);
  const storing = createStoring();
  const dispatchers = new Map<string, Dispatcher>();
  const consumers: Consumer[] = [];
  const toClose: ((timeoutMs: number) => Promise<void>)[] = [];
  let closing: Promise<void> | undefined;

  const finish = async (timeoutMs: number): Promise<void> => {
    const untilMs = clock.monotonic() + timeoutMs;
    const left = (): number => Math.max(0, untilMs - clock.monotonic());
    const results = await Promise.allSettled(consumers.map((consumer) => consumer.close(timeoutMs)));
    await Promise.all([...dispatchers.values()].map((dispatcher) => dispatcher.close(left())));
    // Each needs those that were made before it, and all are closed whatever one of them throws.
    for (const closeOne of toClose.reverse()) results.push(...(await Promise.allSettled([closeOne(left())])));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  };
  const close = (timeoutMs = 10_000): Promise<void> => {
    closing ??= finish(timeoutMs);
    return closing;
  };

  const outboxOf = async (): Promise<Outbox> => {
    if (options.outbox !== undefined) return options.outbox;
    const own = await createOutbox({ database, broker, clock, random, logger, telemetry, migrations: options.migrations ?? 'apply' });
    toClose.push((timeoutMs) => own.close(timeoutMs));
    return own;
  };

  const start = async (): Promise<void> => {
    const outbox = await outboxOf();
    const topic = options.logTopic ?? paystreamTopics().transactionLogs;
    const businessLog = createBusinessLog({ topic, service: 'notify', clock, nextId, telemetry });
    await outbox.prepare([topic]);
    const ownership = await createOwnership({
      database,
      channels: names,
      leaseMs: options.leaseMs ?? 6_000,
      nextId,
      clock,
      logger,
      onSweep: () => {
        for (const dispatcher of dispatchers.values()) dispatcher.sweep();
        for (const backlog of backlogs) backlog.look();
      },
      onLost: () => {
        for (const dispatcher of dispatchers.values()) dispatcher.drop();
      },
    });
    toClose.push(() => ownership.close());
    const backlogs = names.map((channel) =>
      createBacklogGauges({
        countGauge: 'paystream_notify_waiting',
        ageGauge: 'paystream_notify_oldest_seconds',
        labels: { channel },
        read: () => store.waiting(channel, ownership.owner),
        clock,
        logger,
        telemetry,
      }),
    );
    for (const backlog of backlogs) toClose.push(() => backlog.close());
    const recorder = createRecorder({ database, store, outbox, businessLog, instance, clock, telemetry });
    toClose.push(() => recorder.close());
    for (const [name, channel] of Object.entries(channels)) {
      const { batch, idempotent } = channel.capabilities;
      const dispatcher = createDispatcher({
        ...deliveryDefaults,
        concurrency: batch === true ? 2 : 8,
        ...options.delivery,
        name,
        channel,
        // What a channel alone knows of is enough where nobody else can take over.
        idempotent: idempotent === true || (idempotent === 'alone' && database.exclusive),
        store,
        ownership,
        storing,
        retry: { ...defaultRetry, ...options.retry },
        clock,
        random,
        logger,
        telemetry,
        record: (results) => recorder.submit(results),
      });
      dispatchers.set(name, dispatcher);
      dispatcher.lookInTable();
    }
    const intake = createIntake({ database, store, ownership, dispatchers, storing, clock });
    for (const ofTopic of rulesByTopic(rules).values()) {
      const consumer = await createConsumer(broker, (ofTopic[0] as AnyRule).on, {
        subscription,
        maxBatchSize: 500,
        maxInFlight: 2_000,
        clock,
        random,
        logger,
        telemetry,
        handleBatch: (batch) => intake(ofTopic, batch),
      });
      consumers.push(consumer);
    }
  };

  try {
    await start();
  } catch (error) {
    await close(0);
    throw error;
  }

  return {
    database,
    get channels() {
      return [...dispatchers.values()].map((dispatcher) => dispatcher.status);
    },
    check: async () => {
      await database.ping();
      for (const consumer of consumers) await consumer.check?.();
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
