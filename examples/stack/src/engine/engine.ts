import { join } from 'node:path';
import { type Broker, combineTelemetry, type Logger, type Running, systemClock, type Telemetry } from '@paystream/core';
import { type PaystreamTopics, paystreamTopics } from '@paystream/core/contracts';
import { lockFolder } from '@paystream/core/embedded';
import { createOutbox, type Database, type Outbox, observeDatabase } from '@paystream/core/sql';
import type { Config } from '../config/config.ts';
import { consoleLog } from '../logging.ts';
import { createMetrics, type Metrics } from '../metrics.ts';
import type { Otlp } from '../otlp.ts';
import type { ServiceName } from '../service-names.ts';
import { openBroker, pingTimeoutMs } from './broker.ts';
import { openDatabase } from './database.ts';
import { type PortDecorators, undecorated } from './decorators.ts';
import { inTime } from './in-time.ts';
import { migrateServices } from './schema.ts';

/** What every service of the stack runs on. */
export interface Engine extends Running {
  readonly config: Config;
  readonly topics: PaystreamTopics;
  readonly broker: Broker;
  readonly database: Database;
  /** Shared by all services of the process. */
  readonly outbox: Outbox;
  readonly metrics: Metrics;
  /** For the ports that a service makes itself; broker and database are decorated already. */
  readonly decorate: PortDecorators;
  /** The path of a file or folder in the data folder of this instance. */
  path(name: string): string;
}

/** Sends what is counted and traced where the settings say. */
async function openTelemetry(config: Config, endpoint: string, services: readonly ServiceName[], logger: Logger): Promise<Otlp> {
  // Most do without, and it takes long to load.
  const [{ openOtlp }, { otlpResource }, { tracesSampler }] = await Promise.all([
    import('../otlp.ts'),
    import('../otlp-resource.ts'),
    import('../traces-sampler.ts'),
  ]);
  return openOtlp({ endpoint, resource: otlpResource(services, config.PAYSTREAM_INSTANCE), sampler: tracesSampler(config), logger });
}

/** What a process that died was about to publish is published by another after so long, which leaves it time within ten seconds. */
const leaseMs = 5_000;

function topicsOf(config: Config): PaystreamTopics {
  return paystreamTopics({
    orders: config.PAYSTREAM_TOPIC_ORDERS,
    transactions: config.PAYSTREAM_TOPIC_TRANSACTIONS,
    orderUpdates: config.PAYSTREAM_TOPIC_ORDER_UPDATES,
    walletUpdates: config.PAYSTREAM_TOPIC_WALLET_UPDATES,
    orderLogs: config.PAYSTREAM_TOPIC_ORDER_LOGS,
    transactionLogs: config.PAYSTREAM_TOPIC_TRANSACTION_LOGS,
  });
}

/** Opens the engine of some services: broker, database and outbox, and the folder of this instance, which no other process may use meanwhile. `also` is told what is counted and traced, beside what the settings ask for. */
export async function openEngine(
  config: Config,
  services: readonly ServiceName[],
  also: readonly Telemetry[] = [],
  decorate: PortDecorators = undecorated,
): Promise<Engine> {
  const metrics = createMetrics();
  const logger = consoleLog(config, 'engine');
  const directory = join(config.PAYSTREAM_DATA_DIR, config.PAYSTREAM_INSTANCE ?? '');
  const path = (name: string): string => join(directory, name);
  const endpoint = config.OTEL_EXPORTER_OTLP_ENDPOINT;
  const lock = await lockFolder(directory);
  const opened: ((timeoutMs?: number) => Promise<void>)[] = [async () => lock.release()];
  const close = async (timeoutMs?: number): Promise<void> => {
    const failures: unknown[] = [];
    for (const undo of opened.splice(0).reverse()) await undo(timeoutMs).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    const otlp = endpoint === undefined ? undefined : await openTelemetry(config, endpoint, services, logger);
    if (otlp !== undefined) opened.push(otlp.close);
    const telemetry = combineTelemetry(metrics.telemetry, ...(otlp === undefined ? [] : [otlp.telemetry]), ...also);
    const broker = decorate.broker(await openBroker(config, path('broker.sqlite'), logger, telemetry));
    opened.push(() => broker.close());
    const database = decorate.database(observeDatabase(await openDatabase(config, path('paystream.sqlite'), logger), { telemetry }));
    opened.push(() => database.close());
    await migrateServices(database, services, config.PAYSTREAM_MIGRATIONS);
    const outbox = await createOutbox({ database, broker, logger, telemetry, leaseMs, migrations: config.PAYSTREAM_MIGRATIONS });
    opened.push((timeoutMs) => outbox.close(timeoutMs));
    const check = async (): Promise<void> => {
      // Who is away is to be said by name, before the check as a whole has taken too long.
      const named = config.PAYSTREAM_DATABASE === 'mysql' ? 'MySQL' : 'the database';
      await Promise.all([inTime(database.ping(), named, pingTimeoutMs, systemClock), broker.ping()]);
      await outbox.check?.();
    };
    return {
      config,
      topics: topicsOf(config),
      broker,
      database,
      outbox,
      metrics: { telemetry, render: metrics.render },
      decorate,
      path,
      check,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
