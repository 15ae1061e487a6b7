import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { createProducer, PaystreamError, systemClock } from '@paystream/core';
import { LogEntrySchema, LogKind, LogLevel } from '@paystream/core/contracts';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterAll, describe, expect, it } from 'vitest';
import { logTopic } from '../log-topic.ts';
import { createLogSink, type LogSink, type LogSinkOptions } from './log-sink.ts';
import { ids, inFiles, inTable, orderLogs, publish } from './test-support.ts';

const transactionLogs = logTopic('transactions-logs-topic');
const root = mkdtempSync(join(tmpdir(), 'paystream-sink-'));
let folders = 0;
const newFolder = (): string => {
  folders += 1;
  return join(root, String(folders));
};
afterAll(() => rmSync(root, { recursive: true, force: true }));

const start = (world: TestWorld, options: Partial<LogSinkOptions> = {}): Promise<LogSink> =>
  createLogSink({ ...world, topics: ['order-logs-topic', transactionLogs], ...options });

const stored = (sink: LogSink, count: number) => () => sink.stored >= count;

/** A database on which the test decides how transactions of the sink's batches end. */
function faulty(database: Database, fault: () => 'none' | 'lost' | 'unknown'): Database {
  const away = new PaystreamError('UNAVAILABLE', 'the connection broke', { reason: 'TEST' });
  return {
    ...database,
    transaction: async (work) => {
      const kind = fault();
      const result = await database.transaction(async (tx) => {
        const value = await work(
          kind === 'unknown'
            ? { ...tx, execute: tx.execute.bind(tx), executeMany: tx.executeMany.bind(tx), onCommit: () => undefined }
            : tx,
        );
        if (kind === 'lost') throw away;
        return value;
      });
      if (kind === 'unknown') throw away;
      return result;
    },
  };
}

describe('the log sink', () => {
  it('stores each entry once in the table and once in the file, from every topic, however often it comes', async () => {
    await using world = await createTestWorld();
    const directory = newFolder();
    await using sink = await start(world, { file: { directory } });
    await publish(world, ids(0, 300));
    await publish(world, ids(100, 200));
    await publish(world, ids(300, 500), transactionLogs);
    await world.runUntil(() => sink.stored + sink.duplicates >= 600);
    expect(sink.stored).toBe(500);
    expect(sink.duplicates).toBe(100);
    expect(world.telemetry.counter('paystream_log_sink_entries_total', { instance: 'sink' })).toBe(500);
    expect(world.telemetry.counter('paystream_log_sink_duplicates_total', { instance: 'sink' })).toBe(100);
    expect(await inTable(world.database)).toEqual(ids(0, 500));
    expect(inFiles(directory)).toEqual(ids(0, 500));
    await sink.check();
  });

  it('writes lines that say what the entry says', async () => {
    await using world = await createTestWorld();
    const directory = newFolder();
    await using sink = await start(world, { file: { directory } });
    await publish(world, ['e-1']);
    await world.runUntil(stored(sink, 1));
    expect(JSON.parse(readFileSync(sink.path ?? '', 'utf8'))).toEqual({
      level: 30,
      time: world.clock.now() - 20,
      kind: 'business',
      entryId: 'e-1',
      service: 'order',
      event: 'order.placed',
      orderId: 'order-e-1',
      msg: 'entry e-1',
      attributes: { n: 'e-1' },
    });
  });

  it('keeps an entry that names no id and no time, once', async () => {
    await using world = await createTestWorld();
    await using sink = await start(world);
    const producer = await createProducer(world.broker, orderLogs, { clock: world.clock });
    const bare = create(LogEntrySchema, { message: 'from another program' });
    await producer.send(bare, { eventId: 'theirs' });
    await producer.send(bare, { eventId: 'theirs' });
    await world.runUntil(() => sink.stored + sink.duplicates === 2);
    expect(await inTable(world.database)).toEqual(['theirs']);
    expect(await world.database.query(`SELECT event_date, kind, level FROM ${world.database.tables('log_entries')}`)).toEqual([
      { event_date: 20260101, kind: LogKind.DIAGNOSTIC, level: LogLevel.INFO },
    ]);
  });

  it('refuses a name that no column holds at start', async () => {
    await using world = await createTestWorld();
    const refused = { code: 'INVALID_ARGUMENT', reason: 'INVALID_LOG_SINK_OPTION' };
    await expect(start(world, { instance: 'n'.repeat(129) })).rejects.toMatchObject(refused);
    await using sink = await start(world, { instance: '😀'.repeat(128) });
    await publish(world, ['e-1']);
    await world.runUntil(stored(sink, 1));
  });

  it('keeps an entry whose times make no sense, under that of its publication', async () => {
    await using world = await createTestWorld();
    await using sink = await start(world);
    const producer = await createProducer(world.broker, orderLogs, { clock: world.clock });
    const times = [9_000_000_000_000_000, 253_402_300_800_000, 0];
    for (const [index, occurredAtMs] of times.entries()) {
      const eventTime = { seconds: 2n ** 62n, nanos: 0 };
      await producer.send(create(LogEntrySchema, { entryId: `e-${index}`, message: 'when?', eventTime }), { occurredAtMs });
    }
    await world.runUntil(stored(sink, times.length));
    const table = world.database.tables('log_entries');
    expect(await world.database.query(`SELECT DISTINCT event_date FROM ${table}`)).toEqual([{ event_date: 20260101 }]);
    expect(await inTable(world.database)).toEqual(times.map((_, index) => `e-${index}`));
  });

  it.each(['lost', 'unknown'] as const)('neither loses nor doubles a line of the file when the outcome of a commit is %s', async (kind) => {
    await using world = await createTestWorld();
    const directory = newFolder();
    let next = 0;
    const database = faulty(world.database, () => {
      next += 1;
      return next > 2 && next % 3 === 0 ? kind : 'none';
    });
    await using sink = await start(world, { database, file: { directory }, batch: { maxSize: 20 } });
    await publish(world, ids(0, 200));
    await world.runUntil(() => sink.stored + sink.duplicates >= 200);
    expect(await inTable(world.database)).toEqual(ids(0, 200));
    expect(inFiles(directory)).toEqual(ids(0, 200));
  });

  it('cuts off at start what a crash left behind the last commit', async () => {
    await using world = await createTestWorld();
    const directory = newFolder();
    const first = await start(world, { file: { directory } });
    await publish(world, ids(0, 10));
    await world.runUntil(stored(first, 10));
    await first.close();
    appendFileSync(first.path ?? '', '{"entryId":"never committed"}\n{"torn');
    writeFileSync(join(directory, 'sink-000002.jsonl'), 'a rotation that was never committed');
    await using second = await start(world, { file: { directory } });
    await publish(world, ids(10, 20));
    await world.runUntil(stored(second, 10));
    expect(inFiles(directory)).toEqual(ids(0, 20));
  });

  it('keeps every line when its database was put back to what it was before, and goes on in a new file', async () => {
    await using world = await createTestWorld();
    const { database } = world;
    const directory = newFolder();
    const first = await start(world, { file: { directory } });
    await publish(world, ids(0, 10));
    await world.runUntil(stored(first, 10));
    await first.close();
    await database.transaction(async (tx) => {
      await tx.execute(`DELETE FROM ${database.tables('log_entries')}`);
      await tx.execute(`UPDATE ${database.tables('log_files')} SET size = 0`);
    });
    await using second = await start(world, { file: { directory } });
    await publish(world, ids(10, 20));
    await world.runUntil(stored(second, 10));
    expect(second.path).toMatch(/sink-000002\.jsonl$/);
    expect(inFiles(directory)).toEqual(ids(0, 20));
    expect(await inTable(database)).toEqual(ids(10, 20));
  });

  it('goes on in a new file when somebody took the old one away', async () => {
    await using world = await createTestWorld();
    const directory = newFolder();
    const first = await start(world, { file: { directory } });
    await publish(world, ids(0, 10));
    await world.runUntil(stored(first, 10));
    await first.close();
    unlinkSync(first.path ?? '');
    await using second = await start(world, { file: { directory } });
    await publish(world, ids(10, 20));
    await world.runUntil(stored(second, 10));
    expect(second.path).toMatch(/sink-000002\.jsonl$/);
    expect(inFiles(directory)).toEqual(ids(10, 20));
  });

  it('begins a new file when one is full and keeps the last few', async () => {
    await using world = await createTestWorld();
    const directory = newFolder();
    await using sink = await start(world, { file: { directory, maxBytes: 2_000, keep: 3 }, batch: { maxSize: 5, lingerMs: 0 } });
    await publish(world, ids(0, 100));
    await world.runUntil(stored(sink, 100));
    await publish(world, ids(100, 101));
    await world.runUntil(stored(sink, 101));
    const files = readdirSync(directory).filter((file) => file.endsWith('.jsonl'));
    expect(files).toHaveLength(3);
    expect(inFiles(directory)).toEqual(ids(101 - inFiles(directory).length, 101));
    expect(await inTable(world.database)).toHaveLength(101);
  });

  it.runIf(existsSync('/dev/full'))('waits and loses nothing while the disk is full', async () => {
    await using world = await createTestWorld();
    const directory = newFolder();
    const first = await start(world, { file: { directory } });
    await first.close();
    const path = first.path ?? '';
    unlinkSync(path);
    symlinkSync('/dev/full', path);
    await using sink = await start(world, { file: { directory } });
    await publish(world, ids(0, 10));
    await world.runUntil(() => sink.status.some((status) => status.state === 'paused'));
    await expect(sink.check()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(sink.status.map((status) => status.pausedBy).join()).toContain('LOG_FILE_UNWRITABLE');
    expect(await inTable(world.database)).toEqual([]);
    unlinkSync(path);
    await world.runUntil(stored(sink, 10));
    expect(await inTable(world.database)).toEqual(ids(0, 10));
    expect(inFiles(directory)).toEqual(ids(0, 10));
  });

  it('says at once that the folder cannot be written', async () => {
    await using world = await createTestWorld();
    await expect(start(world, { file: { directory: '/dev/null/logs' } })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      reason: 'LOG_FILE_UNWRITABLE',
    });
  });

  it('lets a second sink of the same name take the file over without a line lost or doubled', async () => {
    await using world = await createTestWorld();
    const directory = newFolder();
    const first = await start(world, { file: { directory } });
    await publish(world, ids(0, 10));
    await world.runUntil(stored(first, 10));
    await using second = await start(world, { file: { directory } });
    await publish(world, ids(10, 200));
    await world.runUntil(async () => (await inTable(world.database)).length >= 100);
    await first.close(0);
    await world.runUntil(async () => (await inTable(world.database)).length === 200);
    await second.check();
    expect(inFiles(directory)).toEqual(ids(0, 200));
  });

  it('sends what does not decode to the dead-letter topic and goes on', async () => {
    await using world = await createTestWorld();
    await using sink = await start(world);
    const raw = await world.broker.createProducer({ topic: 'order-logs-topic' });
    await raw.send({ payload: new Uint8Array([255, 255, 255]) });
    await publish(world, ids(0, 3));
    await world.runUntil(stored(sink, 3));
    const dead = await world.broker.subscribe({ topic: 'order-logs-topic-log-sink-dlq', subscription: 't', initialPosition: 'earliest' });
    const [message] = await dead.receive(10);
    expect([...(message?.payload ?? [])]).toEqual([255, 255, 255]);
  });

  it('removes entries whose days are over, and counts them no longer', async () => {
    await using world = await createTestWorld();
    await using sink = await start(world, { retentionMs: 3 * 86_400_000 });
    await publish(world, ids(0, 2_500));
    await world.runUntil(stored(sink, 2_500));
    await world.advance({ hours: 49 });
    await publish(world, ids(2_500, 2_600));
    await world.runUntil(stored(sink, 2_600));
    expect(await inTable(world.database)).toHaveLength(2_600);
    await world.advance({ hours: 48 });
    expect(await inTable(world.database)).toEqual(ids(2_500, 2_600));
    expect(await world.database.query(`SELECT SUM(entries) AS n FROM ${world.database.tables('log_day_counts')}`)).toEqual([{ n: 100 }]);
  });

  it('keeps each entry once in table and file through kill -9', async () => {
    const directory = newFolder();
    const script = `
      import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
      import { createLogSink } from '@paystream/logger/sink';
      const broker = await createEmbeddedBroker({ path: '${directory}/broker.db', synchronous: 'normal' });
      const database = await createSqliteDatabase({ path: '${directory}/store.db', synchronous: 'normal' });
      const sink = await createLogSink({ broker, database, topics: ['order-logs-topic'], batch: { maxSize: 10, lingerMs: 0 }, file: { directory: '${directory}/logs', maxBytes: 50_000, keep: 1_000, fsync: false } });
      console.log('up');
      setInterval(() => { if (sink.stored > 150) console.log('stored'); }, 1);
    `;
    mkdirSync(directory, { recursive: true });
    const count = 2_000;
    const broker = await createEmbeddedBroker({ path: join(directory, 'broker.db'), synchronous: 'normal' });
    await publish({ broker, clock: systemClock }, ids(0, count));
    await broker.close();
    for (let kill = 0; kill < 2; kill += 1) {
      const child = spawn(process.execPath, ['--conditions=paystream-source', '--input-type=module', '-e', script], {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let output = '';
      for await (const chunk of child.stdout) {
        output += String(chunk);
        if (output.includes('stored')) break;
      }
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    const again = await createEmbeddedBroker({ path: join(directory, 'broker.db') });
    const database = await createSqliteDatabase({ path: join(directory, 'store.db') });
    const before = (await inTable(database)).length;
    expect(before).toBeGreaterThan(150);
    const sink = await createLogSink({
      broker: again,
      database,
      topics: ['order-logs-topic'],
      file: { directory: join(directory, 'logs'), keep: 1_000 },
    });
    while ((await inTable(database)).length < count) await systemClock.sleep(5);
    await sink.close();
    expect(await inTable(database)).toEqual(ids(0, count));
    expect(inFiles(join(directory, 'logs'))).toEqual(ids(0, count));
    await again.close();
    await database.close();
  }, 30_000);
});
