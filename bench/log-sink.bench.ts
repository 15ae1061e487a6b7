import { DatabaseSync } from 'node:sqlite';
import { create } from '@bufbuild/protobuf';
import {
  type Broker,
  createConsumer,
  createIdGenerator,
  createProducer,
  type Delivery,
  type Producer,
  silentLogger,
  systemClock,
  systemRandom,
} from '@paystream/core';
import { type LogEntry, LogEntrySchema, LogKind, LogLevel, timestampFromMs } from '@paystream/core/contracts';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { createMysqlDatabase } from '@paystream/core/mysql';
import { createPulsarBroker } from '@paystream/core/pulsar';
import type { Database, SqlValue } from '@paystream/core/sql';
import { logTopic } from '@paystream/logger';
import { createLogSink, logSinkMigrations } from '@paystream/logger/sink';
import { createPulsarClient, type PulsarClient } from '@paystream/pulsar';
import { openCommittedFile } from '../packages/logger/src/sink/committed-file.ts';
import { entryColumns, entryRow, pushValues } from '../packages/logger/src/sink/entry-row.ts';
import { createEntryStore } from '../packages/logger/src/sink/entry-store.ts';
import { createPartitions } from '../packages/logger/src/sink/partitions.ts';
import { startPulsar } from '../tools/pulsar/broker.ts';
import { type Benchmark, type Contestant, compare, type Finding, findingOf, perSecond, takeTurns } from './compare.ts';
import { ackGroupTimeMs, consumerLikeBroker, readBare } from './support/bare-pulsar.ts';
import { type Folder, temporaryFolder } from './support/folder.ts';
import { openMysqlInserts } from './support/mysql-rows.ts';
import { sqlOption, startSqlServer } from './support/sql-server.ts';

const batchSize = 1_000;
const rowsPerRound = 15 * batchSize;
/** So many that what a sink takes to start does not show: on Pulsar some round trips more. */
const rowsPerPulsarRound = 60 * batchSize;
/** How many messages the sink may have in hand. */
const inFlight = 4 * batchSize;
const rowsPerStatement = 100;

const nextId = createIdGenerator(systemClock, systemRandom);

function entry(): LogEntry {
  return create(LogEntrySchema, {
    entryId: nextId(),
    kind: LogKind.BUSINESS,
    level: LogLevel.INFO,
    service: 'payment',
    event: 'payment.settled',
    message: 'settled: 48.30 EUR',
    orderId: nextId(),
    merchantId: 'merchant-1',
    attributes: { attempt: '1', gateway: 'simulated', total_units: '4830' },
    eventTime: timestampFromMs(systemClock.now()),
  });
}

function delivery(): Delivery<LogEntry> {
  const value = entry();
  const now = systemClock.now();
  const place = { topic: 'bench-logs', messageId: '0', key: value.orderId, properties: {}, publishTimeMs: now, attempt: 1 };
  return { value, eventId: value.entryId, occurredAtMs: now, ...place };
}

const batches = (rows = rowsPerRound): Delivery<LogEntry>[][] =>
  Array.from({ length: rows / batchSize }, () => Array.from({ length: batchSize }, delivery));

const disposable = (database: Database): Database & AsyncDisposable =>
  Object.assign(database, { [Symbol.asyncDispose]: () => database.close() });

/** Rows into the same columns of the same kind of file, keys included, as anybody would insert many: a hundred a statement, a thousand a commit. */
function bareInsert(folder: Folder): Contestant & Disposable {
  const database = new DatabaseSync(folder.path('bare.sqlite'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536');
  for (const migration of logSinkMigrations) for (const sql of migration.statements.sqlite?.((name) => name) ?? []) database.exec(sql);
  const row = `(${entryColumns.map(() => '?').join(', ')})`;
  const rows = Array.from({ length: rowsPerStatement }, () => row).join(', ');
  const insert = database.prepare(`INSERT INTO log_entries (${entryColumns.join(', ')}) VALUES ${rows}`);
  return {
    name: 'bare multi-row insert',
    round: async () => {
      const prepared = batches().map((batch) => {
        const values: SqlValue[] = [];
        for (const one of batch) pushValues(values, entryRow(one));
        return values;
      });
      return perSecond(rowsPerRound, async () => {
        const step = rowsPerStatement * entryColumns.length;
        for (const values of prepared) {
          database.exec('BEGIN');
          for (let from = 0; from < values.length; from += step) insert.run(...values.slice(from, from + step));
          database.exec('COMMIT');
        }
      });
    },
    [Symbol.dispose]: () => database.close(),
  };
}

/** What the sink does with entries that were received: rows, their key, the counts, the lines of the file. */
async function storeStage(folder: Folder, database: Database): Promise<Contestant & AsyncDisposable> {
  await database.migrate(logSinkMigrations);
  await createPartitions(database, systemClock)?.prepare();
  const file = await openCommittedFile({
    directory: folder.path(`stage-logs-${database.name}`),
    name: 'bench',
    instance: 'bench',
    maxBytes: 67_108_864,
    keep: 10,
    fsync: true,
    database,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  const store = createEntryStore(database, 'bench', file);
  return {
    name: 'store stage of the sink, file included',
    round: () => {
      const all = batches();
      return perSecond(rowsPerRound, async () => {
        for (const batch of all) await store.store(batch);
      });
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/** Publishes what a round reads. */
const fill = async (producer: Producer<LogEntry>, rows: number): Promise<void> => {
  await Promise.all(Array.from({ length: rows }, () => producer.send(entry())));
};

/** A sink that finds its topic full. From its start on to the last row; the end of it does not count. */
async function wholeSink(folder: Folder, database: Database, broker: Broker, rows = rowsPerRound): Promise<Contestant & AsyncDisposable> {
  const topic = logTopic('bench-logs-of-sink');
  const file = { directory: folder.path(`whole-logs-${database.name}-${broker.name}`) };
  const start = () => createLogSink({ broker, database, topics: [topic], file });
  await (await start()).close();
  const producer = await createProducer(broker, topic);
  return {
    name: 'topic to committed row and line',
    round: async () => {
      await fill(producer, rows);
      const begin = systemClock.monotonic();
      await using sink = await start();
      while (sink.stored < rows) await systemClock.sleep(1);
      return rows / ((systemClock.monotonic() - begin) / 1_000);
    },
    [Symbol.asyncDispose]: () => producer.close(),
  };
}

/** Reads a full topic and does nothing. Measured as {@link wholeSink} is. */
async function bareConsume(broker: Broker): Promise<Contestant & AsyncDisposable> {
  const topic = logTopic('bench-logs-of-consumer');
  const producer = await createProducer(broker, topic);
  let read = 0;
  const start = () =>
    createConsumer(broker, topic, {
      subscription: 'bare',
      type: 'shared',
      maxBatchSize: batchSize,
      maxInFlight: inFlight,
      handleBatch: async (entries) => {
        read += entries.length;
      },
    });
  await (await start()).close();
  return {
    name: 'bare consume',
    round: async () => {
      await fill(producer, rowsPerRound);
      read = 0;
      const begin = systemClock.monotonic();
      await using _consumer = await start();
      while (read < rowsPerRound) await systemClock.sleep(1);
      return rowsPerRound / ((systemClock.monotonic() - begin) / 1_000);
    },
    [Symbol.asyncDispose]: () => producer.close(),
  };
}

/** The same by a Pulsar client alone, which does not even decode what it reads. */
async function barePulsarConsume(client: PulsarClient, broker: Broker, rows: number): Promise<Contestant & AsyncDisposable> {
  const topic = logTopic('bench-logs-of-client');
  const producer = await createProducer(broker, topic);
  const joined = { topic: topic.name, subscription: 'bare', type: 'shared', initialPosition: 'earliest' } as const;
  const options = { ...joined, ...consumerLikeBroker(inFlight) };
  await (await client.subscribe(options)).close();
  return {
    name: 'bare consume',
    round: async () => {
      await fill(producer, rows);
      const begin = systemClock.monotonic();
      const reading = await readBare(client, options, rows);
      await reading.done;
      const seconds = (systemClock.monotonic() - begin) / 1_000;
      await reading.close();
      return rows / seconds;
    },
    [Symbol.asyncDispose]: () => producer.close(),
  };
}

const slower = (...contestants: readonly Contestant[]): Contestant => ({
  name: `the slower of ${contestants.map(({ name }) => name).join(' and ')}`,
  round: async () => {
    let slowest = Number.POSITIVE_INFINITY;
    for (const contestant of contestants) slowest = Math.min(slowest, await contestant.round());
    return slowest;
  },
});

async function onSqlite(folder: Folder): Promise<readonly Finding[]> {
  await using stageDatabase = disposable(await createSqliteDatabase({ path: folder.path('stage.sqlite') }));
  await using wholeDatabase = disposable(await createSqliteDatabase({ path: folder.path('whole.sqlite') }));
  using reference = bareInsert(folder);
  await using stage = await storeStage(folder, stageDatabase);
  await using broker = await createEmbeddedBroker({ path: folder.path('broker-sqlite.sqlite') });
  await using whole = await wholeSink(folder, wholeDatabase, broker);
  const unit = 'rows/s';
  return [
    await compare({ case: `received entries, ${batchSize} a commit`, unit, measured: stage, reference, goal: 0.8 }),
    await compare({ case: 'from a full topic of the embedded broker on', unit, measured: whole, reference, goal: 0.7 }),
  ];
}

async function onServer(folder: Folder, { url, title }: { readonly url: string; readonly title: string }): Promise<readonly Finding[]> {
  await using stageDatabase = disposable(createMysqlDatabase({ url, tablePrefix: 'stage_' }));
  await using wholeDatabase = disposable(createMysqlDatabase({ url, tablePrefix: 'whole_' }));
  await using inserts = await openMysqlInserts(url, 'bare_');
  await using stage = await storeStage(folder, stageDatabase);
  await using broker = await createEmbeddedBroker({ path: folder.path('broker-server.sqlite') });
  await using whole = await wholeSink(folder, wholeDatabase, broker);
  await using consume = await bareConsume(broker);
  const many = inserts.insert('bare multi-row insert', batchSize, batches);
  const single = inserts.insert('row by row', 1, () => [Array.from({ length: batchSize }, delivery)]);
  const unit = 'rows/s';
  return [
    await compare({ case: `${title}: received entries, ${batchSize} a commit`, unit, measured: stage, reference: many, goal: 0.8 }),
    await compare({
      case: `${title}: from a full topic of the embedded broker on`,
      unit,
      measured: whole,
      reference: slower(consume, many),
      goal: 0.7,
    }),
    await compare({ case: `${title}: received entries`, unit, measured: stage, reference: single, goal: 20 }),
  ];
}

/** As the services of the stack run in production. */
async function onPulsar(folder: Folder, { url, title }: { readonly url: string; readonly title: string }): Promise<readonly Finding[]> {
  await using running = new AsyncDisposableStack();
  const pulsar = await startPulsar();
  running.defer(() => pulsar.stop());
  const client = createPulsarClient({ serviceUrl: pulsar.serviceUrl });
  running.defer(() => client.close());
  // As the stack has its log topics, which nobody reads key-shared: an entry of the topic holds entries of many orders.
  const broker = running.use(createPulsarBroker({ client, ackGroupTimeMs, producer: { batching: {} } }));
  const database = running.use(disposable(createMysqlDatabase({ url, tablePrefix: 'pulsar_' })));
  const inserts = running.use(await openMysqlInserts(url, 'bare_pulsar_'));
  const whole = running.use(await wholeSink(folder, database, broker, rowsPerPulsarRound));
  const consume = running.use(await barePulsarConsume(client, broker, rowsPerPulsarRound));
  const many = inserts.insert('bare multi-row insert', batchSize, () => batches(rowsPerPulsarRound));
  const [measured, consumed, inserted] = await takeTurns([whole, consume, many], 5, 2);
  if (measured === undefined || consumed === undefined || inserted === undefined) throw new Error('nothing was measured');
  const unit = 'rows/s';
  const on = `${title}: from a full topic of Pulsar on`;
  return [
    findingOf({ case: on, unit, measured, reference: inserted.median < consumed.median ? inserted : consumed, goal: 0.7 }),
    findingOf({ case: on, unit, measured, reference: inserted.median < consumed.median ? consumed : inserted }),
  ];
}

export const benchmark: Benchmark = {
  name: 'log-sink',
  question: 'How much of what the database inserts does the log sink store, each entry once in table and file?',
  options: sqlOption,
  run: async (options) => {
    await using folder = await temporaryFolder();
    await using server = await startSqlServer(options);
    return [...(await onSqlite(folder)), ...(await onServer(folder, server)), ...(await onPulsar(folder, server))];
  },
};
