import { DatabaseSync } from 'node:sqlite';
import { create } from '@bufbuild/protobuf';
import { createConsumer, createIdGenerator, createProducer, type Delivery, silentLogger, systemClock, systemRandom } from '@paystream/core';
import { type LogEntry, LogEntrySchema, LogKind, LogLevel, timestampFromMs } from '@paystream/core/contracts';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Database, SqlValue } from '@paystream/core/sql';
import { logTopic } from '@paystream/logger';
import { createLogSink, logSinkMigrations } from '@paystream/logger/sink';
import { openCommittedFile } from '../packages/logger/src/sink/committed-file.ts';
import { entryColumns, entryRow, pushValues } from '../packages/logger/src/sink/entry-row.ts';
import { createEntryStore } from '../packages/logger/src/sink/entry-store.ts';
import { createPartitions } from '../packages/logger/src/sink/partitions.ts';
import { type Benchmark, type Contestant, compare, type Finding, perSecond } from './compare.ts';
import { type Folder, temporaryFolder } from './support/folder.ts';
import { openMysqlInserts } from './support/mysql-rows.ts';
import { sqlOption, startSqlServer } from './support/sql-server.ts';

const batchSize = 1_000;
const batchesPerRound = 15;
const rowsPerRound = batchSize * batchesPerRound;
const rowsPerStatement = 100;

const nextId = createIdGenerator(systemClock, systemRandom);
const topic = logTopic('bench-logs');

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
  const place = { topic: topic.name, messageId: '0', key: value.orderId, properties: {}, publishTimeMs: now, attempt: 1 };
  return { value, eventId: value.entryId, occurredAtMs: now, ...place };
}

const batches = (): Delivery<LogEntry>[][] => Array.from({ length: batchesPerRound }, () => Array.from({ length: batchSize }, delivery));

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

/** A sink that finds its topic full. */
async function wholeSink(folder: Folder, database: Database): Promise<Contestant & AsyncDisposable> {
  const broker = await createEmbeddedBroker({ path: folder.path(`broker-${database.name}.sqlite`) });
  const start = () => createLogSink({ broker, database, topics: [topic], file: { directory: folder.path(`whole-logs-${database.name}`) } });
  await (await start()).close();
  const producer = await createProducer(broker, topic);
  return {
    name: 'topic to committed row and line',
    round: async () => {
      await Promise.all(Array.from({ length: rowsPerRound }, () => producer.send(entry())));
      const begin = systemClock.monotonic();
      await using sink = await start();
      while (sink.stored < rowsPerRound) await systemClock.sleep(1);
      return rowsPerRound / ((systemClock.monotonic() - begin) / 1_000);
    },
    [Symbol.asyncDispose]: async () => {
      await producer.close();
      await broker.close();
    },
  };
}

/** Reads a full topic and does nothing. */
async function bareConsume(folder: Folder): Promise<Contestant & AsyncDisposable> {
  const broker = await createEmbeddedBroker({ path: folder.path('consume.sqlite') });
  const producer = await createProducer(broker, topic);
  let read = 0;
  const start = () =>
    createConsumer(broker, topic, {
      subscription: 'bare',
      type: 'shared',
      maxBatchSize: batchSize,
      maxInFlight: 4 * batchSize,
      handleBatch: async (entries) => {
        read += entries.length;
      },
    });
  await (await start()).close();
  return {
    name: 'bare consume',
    round: async () => {
      await Promise.all(Array.from({ length: rowsPerRound }, () => producer.send(entry())));
      read = 0;
      return perSecond(rowsPerRound, async () => {
        await using _consumer = await start();
        while (read < rowsPerRound) await systemClock.sleep(1);
      });
    },
    [Symbol.asyncDispose]: async () => {
      await producer.close();
      await broker.close();
    },
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
  await using whole = await wholeSink(folder, wholeDatabase);
  const unit = 'rows/s';
  return [
    await compare({ case: `received entries, ${batchSize} a commit`, unit, measured: stage, reference, goal: 0.8 }),
    await compare({ case: 'from a full topic on', unit, measured: whole, reference, goal: 0.7 }),
  ];
}

async function onServer(folder: Folder, { url, title }: { readonly url: string; readonly title: string }): Promise<readonly Finding[]> {
  await using stageDatabase = disposable(createMysqlDatabase({ url, tablePrefix: 'stage_' }));
  await using wholeDatabase = disposable(createMysqlDatabase({ url, tablePrefix: 'whole_' }));
  await using inserts = await openMysqlInserts(url, 'bare_');
  await using stage = await storeStage(folder, stageDatabase);
  await using whole = await wholeSink(folder, wholeDatabase);
  await using consume = await bareConsume(folder);
  const many = inserts.insert('bare multi-row insert', batchSize, batches);
  const single = inserts.insert('row by row', 1, () => [Array.from({ length: batchSize }, delivery)]);
  const unit = 'rows/s';
  return [
    await compare({ case: `${title}: received entries, ${batchSize} a commit`, unit, measured: stage, reference: many, goal: 0.8 }),
    await compare({ case: `${title}: from a full topic on`, unit, measured: whole, reference: slower(consume, many), goal: 0.7 }),
    await compare({ case: `${title}: received entries`, unit, measured: stage, reference: single, goal: 20 }),
  ];
}

export const benchmark: Benchmark = {
  name: 'log-sink',
  question: 'How much of what the database inserts does the log sink store, each entry once in table and file?',
  options: sqlOption,
  run: async (options) => {
    await using folder = await temporaryFolder();
    await using server = await startSqlServer(options);
    return [...(await onSqlite(folder)), ...(await onServer(folder, server))];
  },
};
