import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock } from '@paystream/core';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { Database } from '@paystream/core/sql';
import { createVirtualClock } from '@paystream/core/testing';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventDateOf } from './event-date.ts';
import { createLogSink, type LogSink } from './log-sink.ts';
import { logSinkMigrations } from './migrations.ts';
import { createPartitions, type Partitions } from './partitions.ts';
import { startRetention } from './retention.ts';
import { ids, inFiles, inTable, orderLogs, publish } from './test-support.ts';

let url: string;
let folder: string;
let prefixes = 0;

/** Asks for the server of this file. */
async function server(action: 'start' | 'kill' | 'restart'): Promise<{ readonly url: string }> {
  const answer = await fetch(`${inject('sqlServers')}/mortal-sinks/${action}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as { readonly url: string };
}

beforeAll(async () => {
  ({ url } = await server('start'));
  folder = mkdtempSync(join(tmpdir(), 'paystream-sinks-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Databases of two processes over the same tables. */
function openTwo(maxAttempts?: number): readonly [Database, Database] {
  const tablePrefix = `t${++prefixes}_`;
  const open = (): Database => {
    const database = createMysqlDatabase({ url, tablePrefix, poolSize: 4, maxAttempts });
    onTestFinished(() => database.close());
    return database;
  };
  return [open(), open()];
}

const countsOf = (database: Database) =>
  database.query<{ readonly n: number }>(`SELECT SUM(entries) AS n FROM ${database.tables('log_day_counts')}`);

const insertInto = (database: Database, date: number, id: string): Promise<unknown> =>
  database.transaction((tx) =>
    tx.execute(
      `INSERT INTO ${database.tables('log_entries')} (event_date, entry_id, event_time, kind, level, service, event, message, order_id, merchant_id, trace_id, attributes) VALUES (?, ?, 0, 1, 3, '', '', '', '', '', '', '{}')`,
      [date, id],
    ),
  );

async function boundsOf(database: Database): Promise<readonly string[]> {
  const rows = await database.query<{ readonly name: string }>(
    'SELECT PARTITION_NAME AS name FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY PARTITION_ORDINAL_POSITION',
    [database.tables('log_entries')],
  );
  return rows.map((row) => row.name);
}

async function until(what: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  for (const end = systemClock.monotonic() + timeoutMs; !(await what()); await systemClock.sleep(20)) {
    if (systemClock.monotonic() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
  }
}

describe('two log sinks of one subscription on MySQL', () => {
  it('store each entry once in the table and once in a file, while the database is killed and comes back', async () => {
    const databases = openTwo();
    const broker = await createEmbeddedBroker();
    const directories = ['a', 'b'].map((name) => join(folder, name));
    const sinks: LogSink[] = [];
    for (const [index, database] of databases.entries()) {
      const file = { directory: directories[index] as string, fsync: false };
      sinks.push(await createLogSink({ broker, database, topics: [orderLogs], instance: `sink-${index}`, file, batch: { maxSize: 100 } }));
    }
    const stored = (): number => sinks.reduce((sum, sink) => sum + sink.stored, 0);
    const count = 6_000;
    const world = { broker, clock: systemClock };
    await publish(world, ids(0, 2_000));
    await until(() => stored() > 500);
    await Promise.all([publish(world, ids(2_000, 4_000)), publish(world, ids(1_000, 3_000)), server('kill')]);
    await expect(sinks[0]?.check()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await publish(world, ids(4_000, count));
    await server('restart');
    await until(() => sinks.reduce((sum, sink) => sum + sink.stored + sink.duplicates, 0) >= count + 2_000);
    const [database] = databases;
    expect(await inTable(database)).toEqual(ids(0, count));
    expect(directories.flatMap(inFiles).sort()).toEqual(ids(0, count));
    expect(await countsOf(database)).toEqual([{ n: count }]);
    await Promise.all(sinks.map((sink) => sink.check()));
    const dead = await broker.subscribe({ topic: 'order-logs-topic-log-sink-dlq', subscription: 't', initialPosition: 'earliest' });
    const next = dead.receive(1);
    expect(await Promise.race([next, systemClock.sleep(50)])).toBeUndefined();
    expect((await boundsOf(database)).length).toBe(33);
    expect(await database.query(`SELECT COUNT(*) AS n FROM ${database.tables('log_entries')} PARTITION (later)`)).toEqual([{ n: 0 }]);
    for (const sink of sinks) await sink.close();
    await broker.close();
  });
});

describe('the partitions of the days', () => {
  it('are not waited for while a backup reads the table: storing goes on, and no day is removed row by row', async () => {
    const [database, other] = openTwo(1);
    await database.migrate(logSinkMigrations);
    const clock = createVirtualClock({ startMs: Date.UTC(2026, 0, 10, 12) });
    const partitions = createPartitions(database, clock) as Partitions;
    await partitions.prepare();
    await insertInto(database, 20_260_109, 'old');
    const begun = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    const backup = other.transaction(async (tx) => {
      await tx.execute(`SELECT COUNT(*) AS n FROM ${database.tables('log_entries')}`);
      begun.resolve();
      await over.promise;
    });
    await begun.promise;
    await clock.advance({ hours: 30 * 24 });
    const from = systemClock.monotonic();
    const retention = await startRetention({ database, instance: 'sink', retentionMs: 86_400_000, clock, logger: silentLogger });
    const swept = expect(retention.sweep()).rejects.toMatchObject({ reason: 'LOCK_TIMEOUT' });
    await Promise.all([swept, insertInto(other, 20_260_209, 'new')]);
    expect(systemClock.monotonic() - from).toBeLessThan(20_000);
    expect(await inTable(database)).toEqual(['new', 'old']);
    over.resolve();
    await backup;
    expect(await retention.sweep()).toBe(0);
    expect(await inTable(database)).toEqual(['new']);
    await retention.close();
  });

  it('are made and dropped once by two sinks at the same time, with what they hold', async () => {
    const databases = openTwo();
    const [database] = databases;
    await database.migrate(logSinkMigrations);
    const clock = createVirtualClock({ startMs: Date.UTC(2026, 0, 10, 12) });
    const both = databases.map((one) => createPartitions(one, clock) as Partitions);
    const insert = (date: number, id: string): Promise<unknown> => insertInto(database, date, id);
    await insert(20_260_111, 'before there were partitions');
    await Promise.all(both.map((one) => one.prepare()));
    const days = Array.from({ length: 32 }, (_, i) => `d${eventDateOf(Date.UTC(2026, 0, 9 + i))}`);
    expect(await boundsOf(database)).toEqual([...days, 'later']);
    await insert(20_251_231, 'long ago');
    await insert(20_260_110, 'today');
    await insert(99_991_231, 'far ahead');
    await clock.advance({ hours: 23 * 24 });
    await Promise.all([...both, ...both].map((one) => one.prepare()));
    expect((await boundsOf(database)).at(-2)).toBe('d20260209');
    await clock.advance({ hours: 24 });
    await Promise.all([...both, ...both].map((one) => one.prepare()));
    expect((await boundsOf(database)).at(-2)).toBe('d20260305');
    await Promise.all(both.map((one) => one.dropBefore(20_260_111)));
    expect((await boundsOf(database))[0]).toBe('d20260111');
    expect(await inTable(database)).toEqual(['before there were partitions', 'far ahead']);
    await Promise.all(both.map((one) => one.dropBefore(99_991_231)));
    expect(await boundsOf(database)).toEqual(['later']);
    expect(await inTable(database)).toEqual(['far ahead']);
  });
});
