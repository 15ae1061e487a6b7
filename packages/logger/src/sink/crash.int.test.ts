import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { systemClock, systemRandom } from '@paystream/core';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { brokerPath, fileOptions, logFolder, type Moment, storePath } from './crash.fixture.ts';
import { createLogSink } from './log-sink.ts';
import { ids, idsOf, inFiles, inTable, orderLogs, publish } from './test-support.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'paystream-'));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const perRound = 400;
let published = 0;

/** Publishes new entries, among them some that were published before: of this round, and of all. */
async function publishMore(): Promise<void> {
  const broker = await createEmbeddedBroker({ path: brokerPath(folder) });
  const fresh = ids(published, published + perRound);
  const again = [...fresh.filter((_, index) => index % 97 === 0), ...ids(0, published).filter((_, index) => index % 211 === 0)];
  await publish({ broker, clock: systemClock }, [...fresh.slice(0, 150), ...again, ...fresh.slice(150)]);
  published += perRound;
  await broker.close();
}

/** Runs a sink until it dies at a moment of its own, or so many milliseconds after its start. */
function runUntilKilled(moment: Moment | number, nth = 1): Promise<void> {
  return new Promise((resolve, reject) => {
    const fixture = fileURLToPath(new URL('./crash.fixture.ts', import.meta.url));
    const child = fork(fixture, [folder, String(moment), String(nth)], { execArgv: ['--conditions=paystream-source'] });
    let overdue = false;
    const kill = (): void => void child.kill('SIGKILL');
    const limit = systemClock.setTimer(20_000, () => {
      overdue = true;
      kill();
    });
    child.on('message', () => {
      if (typeof moment === 'number') systemClock.setTimer(moment, kill);
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      limit.cancel();
      if (overdue) reject(new Error(`the sink never came to ${moment} ${nth}`));
      else if (signal === 'SIGKILL') resolve();
      else reject(new Error(`the sink ended by itself with ${code}`));
    });
  });
}

/** What the database says: which entries are stored, and how long the file is. */
function committed(): { readonly ids: string[]; readonly sequence: number; readonly size: number } {
  const database = new DatabaseSync(storePath(folder));
  try {
    const rows = database.prepare('SELECT entry_id FROM paystream_log_entries ORDER BY entry_id').all();
    const position = database.prepare('SELECT sequence, size FROM paystream_log_files').get();
    return {
      ids: rows.map((row) => String(row['entry_id'])),
      sequence: Number(position?.['sequence'] ?? 0),
      size: Number(position?.['size'] ?? 0),
    };
  } finally {
    database.close();
  }
}

/** The committed part of the files has each entry of the table once, in whole lines. What lies behind it counts for nothing. */
function expectInStep(): void {
  const { ids: stored, sequence, size } = committed();
  const lines: string[] = [];
  for (const file of existsSync(logFolder(folder)) ? readdirSync(logFolder(folder)) : []) {
    const number = Number(/-(\d+)\.jsonl$/.exec(file)?.[1]);
    const bytes = readFileSync(join(logFolder(folder), file));
    if (number === sequence) expect(bytes.length).toBeGreaterThanOrEqual(size);
    if (number <= sequence) lines.push(...idsOf(bytes.subarray(0, number === sequence ? size : undefined).toString()));
  }
  expect(lines.sort()).toEqual(stored);
}

/** Lets a sink finish in peace: each entry is in the table and in the file once, and nothing lies behind the committed end. */
async function expectAllOnce(): Promise<void> {
  const broker = await createEmbeddedBroker({ path: brokerPath(folder) });
  const database = await createSqliteDatabase({ path: storePath(folder) });
  const file = { directory: logFolder(folder), ...fileOptions };
  const sink = await createLogSink({ broker, database, topics: [orderLogs], file });
  while ((await inTable(database)).length < published) await systemClock.sleep(5);
  await sink.close();
  expect(await inTable(database)).toEqual(ids(0, published));
  expect(inFiles(file.directory)).toEqual(ids(0, published));
  const counts = await database.query<{ readonly n: number }>('SELECT SUM(entries) AS n FROM paystream_log_day_counts');
  expect(counts).toEqual([{ n: published }]);
  await database.close();
  await broker.close();
  const { sequence, size } = committed();
  const last = readdirSync(file.directory).sort().at(-1) ?? '';
  expect(last).toContain(String(sequence));
  expect(statSync(join(file.directory, last)).size).toBe(size);
}

describe('a log sink that is killed', () => {
  beforeEach(() => {
    published = 0;
  });

  const moments: readonly Moment[] = ['before', 'inside', 'committed', 'writing', 'rotating', 'refused', 'replaced'];
  it.each(moments)('again and again (%s) has each entry once in table and file', async (moment) => {
    for (const nth of moment === 'refused' || moment === 'replaced' ? [1, 1, 1] : [4, 1, 6, 2]) {
      await publishMore();
      await runUntilKilled(moment, nth);
      expectInStep();
    }
    await expectAllOnce();
  });

  it('at any moment has each entry once in table and file', async () => {
    for (let round = 0; round < 20; round += 1) {
      await publishMore();
      await runUntilKilled(systemRandom.next() * 80);
      expectInStep();
    }
    await expectAllOnce();
  });
});
