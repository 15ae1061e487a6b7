import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Delivery, silentLogger, systemClock, systemRandom } from '@paystream/core';
import type { LogEntry } from '@paystream/core/contracts';
import { createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import { createSeededRandom } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CommittedFile, openCommittedFile } from './committed-file.ts';
import { createEntryStore, type EntryStore } from './entry-store.ts';
import { logSinkMigrations } from './migrations.ts';
import { contentOf, type FileCalls, fileCalls, ids, idsOf, inFiles, inTable, testEntry } from './test-support.ts';

let directory: string;
let database: Database;
let calls: FileCalls;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'paystream-'));
  database = await createSqliteDatabase({ path: ':memory:' });
  await database.migrate(logSinkMigrations);
  calls = await fileCalls();
});

afterEach(async () => {
  vi.restoreAllMocks();
  await database.close();
  rmSync(directory, { recursive: true, force: true });
});

async function openStore(maxBytes = 1_000_000, exclusive = true): Promise<EntryStore & { readonly file: CommittedFile }> {
  const file = await openCommittedFile({
    directory,
    name: 'sink',
    instance: 'sink',
    maxBytes,
    keep: 100_000,
    fsync: false,
    database: { ...database, exclusive },
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  return { ...createEntryStore(database, 'sink', file), file };
}

function deliveries(of: readonly string[]): Delivery<LogEntry>[] {
  const now = systemClock.now();
  return of.map((id) => ({
    value: testEntry(id, now),
    eventId: id,
    occurredAtMs: now,
    topic: 't',
    messageId: '0',
    key: id,
    properties: {},
    publishTimeMs: now,
    attempt: 1,
  }));
}

const lines = (): string[] => contentOf(directory).flatMap(idsOf);

describe('the store of entries', () => {
  it('writes the lines of batches in the order in which they came, and has the next ones written while one commits', async () => {
    const store = await openStore();
    const { transaction } = database;
    let written = 0;
    const spy = vi.spyOn(database, 'transaction').mockImplementationOnce(async (work) => {
      await vi.waitFor(() => expect(lines()).toEqual(ids(0, 300)));
      written = lines().length;
      return transaction(work);
    });
    const all = await Promise.all([0, 100, 200].map((from) => store.store(deliveries(ids(from, from + 100)))));
    expect(all).toEqual([100, 100, 100]);
    expect(written).toBe(300);
    expect(spy).toHaveBeenCalledTimes(3);
    expect(lines()).toEqual(ids(0, 300));
    await store.file.close();
  });

  it('replaces what it wrote of a batch and of those behind it when some entries were there before', async () => {
    const store = await openStore(5_000);
    await store.store(deliveries(ids(0, 10)));
    const batches = [ids(10, 30), [...ids(5, 8), ...ids(30, 40)], ids(40, 60), [...ids(60, 65), ...ids(60, 70)]];
    expect(await Promise.all(batches.map((batch) => store.store(deliveries(batch))))).toEqual([20, 10, 20, 10]);
    expect(lines()).toEqual(ids(0, 70));
    for (let from = 70; from < 600; from += 10) expect(await store.store(deliveries(ids(from, from + 10)))).toBe(10);
    expect(lines()).toEqual(ids(0, 600));
    expect(await store.store(deliveries(ids(0, 600)))).toBe(0);
    expect(lines()).toEqual(ids(0, 600));
    await store.file.close();
  });

  it('fails the batch whose lines the disk refuses, and stores those behind it in its place', async () => {
    const store = await openStore();
    vi.spyOn(calls, 'write').mockRejectedValueOnce(new Error('ENOSPC'));
    const results = await Promise.allSettled([ids(0, 10), ids(10, 20), ids(20, 30)].map((batch) => store.store(deliveries(batch))));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(await inTable(database)).toEqual(ids(10, 30));
    expect(lines()).toEqual(ids(10, 30));
    await store.file.close();
  });

  it.each([
    [1, true],
    [2, true],
    [3, true],
    [4, false],
  ])(
    'has each entry once in table and file while owners of slow disks take it from each other (seed %i, of one process: %s)',
    async (seed, exclusive) => {
      const random = createSeededRandom(seed);
      const { write } = calls;
      vi.spyOn(calls, 'write').mockImplementation(async function (this: never, bytes, offset, length) {
        if (random.next() < 0.3) await systemClock.sleep(random.next() * 6);
        return write.call(this, bytes, offset, length);
      });
      const count = 3_000;
      const missing = new Set(ids(0, count));
      const owners: { readonly store: Awaited<ReturnType<typeof openStore>>; readonly work: Promise<void> }[] = [];
      // Each works until it hears that the file is another's, with entries that others may be storing.
      const work = async (store: EntryStore): Promise<void> => {
        while (missing.size > 0) {
          const left = [...missing];
          const from = Math.floor(random.next() * left.length);
          const batch = left.slice(from, from + 1 + Math.floor(random.next() * 40));
          try {
            await store.store(deliveries(batch));
            for (const id of batch) missing.delete(id);
          } catch (error) {
            if ((error as { reason?: string }).reason === 'LOG_FILE_TAKEN') return;
            if ((error as { reason?: string }).reason !== 'LOG_FILE_CHANGED') throw error;
          }
        }
      };
      while (missing.size > 0 && owners.length < 60) {
        const store = await openStore(8_000, exclusive);
        owners.push({ store, work: Promise.all([work(store), work(store)]).then(() => undefined) });
        await systemClock.sleep(random.next() * 15);
      }
      await Promise.all(owners.map((owner) => owner.work));
      await Promise.all(owners.map(({ store }) => store.file.close()));
      const last = await openStore(8_000, exclusive);
      await last.file.close();
      expect(await inTable(database)).toEqual(ids(0, count));
      expect(inFiles(directory)).toEqual(ids(0, count));
      expect(owners.length).toBeGreaterThan(3);
    },
  );
});
