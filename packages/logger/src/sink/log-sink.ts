import {
  type Broker,
  type Clock,
  type Consumer,
  type ConsumerStatus,
  createBatcher,
  createConsumer,
  type Delivery,
  type Logger,
  noTelemetry,
  PaystreamError,
  type Random,
  type Running,
  silentLogger,
  systemClock,
  systemRandom,
  type Telemetry,
  type Topic,
} from '@paystream/core';
import { characterCount, type LogEntry } from '@paystream/core/contracts';
import type { Database, MigrationMode } from '@paystream/core/sql';
import { logTopic } from '../log-topic.ts';
import { type CommittedFile, openCommittedFile } from './committed-file.ts';
import { createEntryStore } from './entry-store.ts';
import { logSinkMigrations } from './migrations.ts';
import { type Retention, startRetention } from './retention.ts';

/** Where the sink's files go. */
export interface LogSinkFileOptions {
  /** The folder; made if it is missing. */
  readonly directory: string;
  /** A file that would grow beyond so many bytes is left and the next one begun. A batch is never split. Default: 67,108,864. */
  readonly maxBytes?: number;
  /** How many files are kept, the current one included. Default: 10. */
  readonly keep?: number;
  /** Whether a power failure, too, leaves table and file in step; without it only the end of the process does. Default: true. */
  readonly fsync?: boolean;
}

/** Options of {@link createLogSink}. */
export interface LogSinkOptions {
  /** What carries the entries. Not closed by the sink. */
  readonly broker: Broker;
  /** Where entries are stored. Not closed by the sink. */
  readonly database: Database;
  /** The log topics, or their names. */
  readonly topics: readonly (string | Topic<LogEntry>)[];
  /** Also writes each entry as a line of JSON. Default: the table only. */
  readonly file?: LogSinkFileOptions;
  /** Entries are removed so many milliseconds after they happened, by whole days. Default: never. */
  readonly retentionMs?: number;
  /**
   * The name of this sink; at most 128 characters. Each one that runs at the same time with a file needs its own, and keeps it when
   * it is started again. Default: `sink`.
   */
  readonly instance?: string;
  /** The durable subscription that all sinks share. Default: `log-sink`. */
  readonly subscription?: string;
  /** How many entries share a transaction. What is left out has its default. */
  readonly batch?: {
    /** At most so many entries of a topic in one transaction. Default: 1,000. */
    readonly maxSize?: number;
    /** How long a batch that is not full waits for more, in milliseconds. Default: 20. */
    readonly lingerMs?: number;
  };
  /** Default: `apply`. */
  readonly migrations?: MigrationMode;
  /** Default: {@link systemClock}. */
  readonly clock?: Clock;
  /** Default: {@link systemRandom}. */
  readonly random?: Random;
  /** Where the sink says what it does. It must not write to a topic that this sink reads. Default: nowhere. */
  readonly logger?: Logger;
  /** Default: none. */
  readonly telemetry?: Telemetry;
}

/** A running log sink. */
export interface LogSink extends Running, AsyncDisposable {
  /** Where the entries are; for {@link logRpcService}. */
  readonly database: Database;
  /** The file that is written now; `undefined` without one. */
  readonly path: string | undefined;
  /** How many entries this sink has stored since it was started. */
  readonly stored: number;
  /** How many it has left out since then because they were stored already. */
  readonly duplicates: number;
  /** How the consumer of each topic is. */
  readonly status: readonly ConsumerStatus[];
  /** Rejects with `UNAVAILABLE` if the database or the file cannot be written, saying why. */
  check(): Promise<void>;
}

const fileDefaults = { maxBytes: 67_108_864, keep: 10, fsync: true } as const satisfies Partial<LogSinkFileOptions>;

const longestName = 128;

function checkInstance(instance: string): void {
  const length = characterCount(instance);
  if (length <= longestName) return;
  throw new PaystreamError(
    'INVALID_ARGUMENT',
    `the name of an instance of a log sink has ${length} characters; it may have ${longestName}`,
    {
      reason: 'INVALID_LOG_SINK_OPTION',
    },
  );
}

function checkRunning(consumers: readonly Consumer[]): void {
  for (const { topic, status } of consumers) {
    if (status.state !== 'running') {
      const message = `entries of ${topic} are not stored now (${status.state}): ${status.pausedBy ?? 'the sink stops'}`;
      throw new PaystreamError('UNAVAILABLE', message, { reason: 'LOG_SINK_PAUSED', details: { topic } });
    }
  }
}

/**
 * Starts a sink: it reads log topics and stores each entry once in the table `log_entries` and, if asked, once in a
 * rotating file, whatever crashes and however often a message comes. A message is acknowledged when both are safe. While
 * the database or the folder cannot be written it waits, and loses nothing.
 *
 * Errors: `UNAVAILABLE` if the database or the folder cannot be written; `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE`
 * where a table or column was dropped, `SCHEMA_OUT_OF_DATE` where migrations are only checked; `INVALID_ARGUMENT` /
 * `INVALID_LOG_SINK_OPTION` for an instance whose name has more than 128 characters.
 *
 * @example
 * const sink = await createLogSink({ broker, database, topics: ['order-logs-topic'], file: { directory: './logs' } });
 */
export async function createLogSink(options: LogSinkOptions): Promise<LogSink> {
  const { broker, database, instance = 'sink', subscription = 'log-sink', batch = {} } = options;
  const { clock = systemClock, random = systemRandom, logger = silentLogger, telemetry = noTelemetry } = options;
  checkInstance(instance);
  await database.migrate(logSinkMigrations, options.migrations ?? 'apply');

  const consumers: Consumer[] = [];
  let file: CommittedFile | undefined;
  let retention: Retention | undefined;
  let closing: Promise<void> | undefined;
  let stored = 0;
  let duplicates = 0;

  // Batches of several topics share a transaction. While it commits, the lines of the next one are on their way to the disk.
  const writer = createBatcher<readonly Delivery<LogEntry>[], undefined>({
    name: 'log-entries',
    telemetry,
    maxSize: 8,
    concurrency: 2,
    run: async (batches) => {
      const entries = batches.flat();
      const fresh = await store.store(entries);
      stored += fresh;
      duplicates += entries.length - fresh;
      telemetry.count('paystream_log_sink_entries_total', { instance }, fresh);
      if (fresh < entries.length) telemetry.count('paystream_log_sink_duplicates_total', { instance }, entries.length - fresh);
      return batches.map(() => undefined);
    },
  });

  const finish = async (timeoutMs?: number): Promise<void> => {
    const results = await Promise.allSettled(consumers.map((consumer) => consumer.close(timeoutMs)));
    await Promise.all([writer.close(), retention?.close()]);
    await file?.close();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  };
  const close = (timeoutMs?: number): Promise<void> => {
    closing ??= finish(timeoutMs);
    return closing;
  };

  if (options.file !== undefined) {
    const { directory, ...rest } = options.file;
    file = await openCommittedFile({ ...fileDefaults, ...rest, directory, name: instance, database, instance, clock, random, logger });
  }
  const store = createEntryStore(database, instance, file);
  retention = await startRetention({ database, instance, retentionMs: options.retentionMs, clock, logger });

  const start = (topic: string | Topic<LogEntry>): Promise<Consumer> =>
    createConsumer(broker, typeof topic === 'string' ? logTopic(topic) : topic, {
      subscription,
      // Entries are stored by their id, so their order on the way does not matter.
      type: 'shared',
      maxBatchSize: batch.maxSize ?? 1_000,
      lingerMs: batch.lingerMs ?? 20,
      // While one batch is stored the next two gather: under load they share a commit.
      concurrency: 2,
      maxInFlight: 4 * (batch.maxSize ?? 1_000),
      timeoutMs: 0,
      clock,
      random,
      logger,
      telemetry,
      handleBatch: async (entries) => {
        await writer.submit(entries);
      },
    });

  try {
    for (const topic of options.topics) consumers.push(await start(topic));
  } catch (error) {
    await close(0);
    throw error;
  }

  return {
    database,
    get path() {
      return file?.path;
    },
    get stored() {
      return stored;
    },
    get duplicates() {
      return duplicates;
    },
    get status() {
      return consumers.map((consumer) => consumer.status);
    },
    check: async () => {
      await database.ping();
      checkRunning(consumers);
    },
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
