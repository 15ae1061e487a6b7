import { join } from 'node:path';
import { type Broker, type Logger, PaystreamError, type Running, type Telemetry } from '@paystream/core';
import { type PaystreamTopics, paystreamTopics } from '@paystream/core/contracts';
import { createEmbeddedBroker, createSqliteDatabase, lockFolder } from '@paystream/core/embedded';
import { createOutbox, type Database, type Outbox } from '@paystream/core/sql';
import type { Config } from './config.ts';
import { consoleLog } from './logging.ts';
import { createMetrics, type Metrics } from './metrics.ts';

/** What every service of the stack runs on. */
export interface Engine extends Running {
  readonly config: Config;
  readonly topics: PaystreamTopics;
  readonly broker: Broker;
  readonly database: Database;
  /** Shared by all services of the process. */
  readonly outbox: Outbox;
  readonly metrics: Metrics;
  /** The path of a file or folder in the data folder. */
  path(name: string): string;
}

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

/** The broker that the settings ask for. */
async function openBroker(config: Config, path: string, logger: Logger, telemetry: Telemetry): Promise<Broker> {
  if (config.PAYSTREAM_BROKER === 'embedded') {
    return createEmbeddedBroker({ path, synchronous: config.PAYSTREAM_SYNCHRONOUS, logger, telemetry });
  }
  const { createPulsarBroker } = await import('@paystream/core/pulsar');
  const broker = createPulsarBroker({ serviceUrl: config.PAYSTREAM_PULSAR_URL, namespace: config.PAYSTREAM_PULSAR_NAMESPACE, logger });
  try {
    await broker.ping();
    return broker;
  } catch (cause) {
    await broker.close();
    const { code, reason, message } = PaystreamError.from(cause);
    const advice = 'start one with `npm run pulsar -- start`, set PAYSTREAM_PULSAR_URL, or do without by PAYSTREAM_BROKER=embedded';
    throw new PaystreamError(code, `no Pulsar broker at ${config.PAYSTREAM_PULSAR_URL}: ${message}; ${advice}`, { reason, cause });
  }
}

/** Opens the engine: the stores, and the embedded broker if it is the one, in the data folder, which no other stack may use meanwhile. */
export async function openEngine(config: Config): Promise<Engine> {
  const { telemetry, render } = createMetrics();
  const logger = consoleLog(config, 'engine');
  const directory = config.PAYSTREAM_DATA_DIR;
  const path = (name: string): string => join(directory, name);
  const lock = await lockFolder(directory);
  const opened: ((timeoutMs?: number) => Promise<void>)[] = [async () => lock.release()];
  const close = async (timeoutMs?: number): Promise<void> => {
    const failures: unknown[] = [];
    for (const undo of opened.splice(0).reverse()) await undo(timeoutMs).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    const synchronous = config.PAYSTREAM_SYNCHRONOUS;
    const broker = await openBroker(config, path('broker.sqlite'), logger, telemetry);
    opened.push(() => broker.close());
    const database = await createSqliteDatabase({ path: path('paystream.sqlite'), synchronous });
    opened.push(() => database.close());
    const outbox = await createOutbox({ database, broker, logger, telemetry });
    opened.push((timeoutMs) => outbox.close(timeoutMs));
    const check = async (): Promise<void> => {
      await database.ping();
      await broker.ping();
      await outbox.check?.();
    };
    return { config, topics: topicsOf(config), broker, database, outbox, metrics: { telemetry, render }, path, check, close };
  } catch (error) {
    await close();
    throw error;
  }
}
