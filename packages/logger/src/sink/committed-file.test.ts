import { appendFileSync, existsSync, mkdtempSync, rmSync, truncateSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, systemClock, systemRandom } from '@paystream/core';
import { createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type BytesAhead, type CommittedFile, openCommittedFile } from './committed-file.ts';
import { logSinkMigrations } from './migrations.ts';
import { addLine, contentOf, type FileCalls, fileCalls, line } from './test-support.ts';

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

const maxBytes = 100;

const openFile = (): Promise<CommittedFile> =>
  openCommittedFile({
    directory,
    name: 'sink',
    instance: 'sink',
    maxBytes,
    keep: 100,
    fsync: true,
    database,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });

const commit = (file: CommittedFile, ahead: BytesAhead): Promise<void> => database.transaction((tx) => file.commit(tx, ahead));

const add = (file: CommittedFile, text: string): Promise<void> => addLine(database, file, text);

async function committedBytes(): Promise<number> {
  const [row] = await database.query<{ size: number }>(`SELECT size FROM ${database.tables('log_files')}`);
  return row?.size ?? -1;
}

const content = (): string[] => contentOf(directory);

/** Holds up the next write, or sync, of any file until it is let go. */
function holdNext(method: keyof FileCalls): { readonly begun: Promise<void>; release(): void } {
  const begun = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const real = calls[method] as (...args: unknown[]) => Promise<unknown>;
  vi.spyOn(calls, method).mockImplementationOnce(async function (this: unknown, ...args: unknown[]) {
    begun.resolve();
    await gate.promise;
    return real.apply(this, args);
  } as never);
  return { begun: begun.promise, release: () => gate.resolve() };
}

describe('a file that is taken over', () => {
  const expectTold = async (older: CommittedFile, late: BytesAhead): Promise<void> => {
    expect(late.lost).toBe(true);
    await expect(commit(older, late)).rejects.toMatchObject({ reason: 'LOG_FILE_TAKEN' });
    await expect(add(older, 'too late')).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'LOG_FILE_TAKEN' });
    await older.close();
  };

  it.each(['write', 'datasync'] as const)(
    'has nothing of what its older owner had under way (%s), however late that lands',
    async (method) => {
      const older = await openFile();
      await add(older, 'first');
      const held = holdNext(method);
      const late = older.ahead(line('late'));
      const behind = older.ahead(line(`in the next file: ${'x'.repeat(maxBytes)}`));
      await held.begun;
      let newer: CommittedFile | undefined;
      const opening = openFile().then((file) => {
        newer = file;
      });
      await systemClock.sleep(30);
      expect(newer).toBeUndefined();
      held.release();
      await opening;
      if (newer === undefined) throw new Error('not opened');
      await expectTold(older, late);
      expect(behind.lost).toBe(true);
      await add(newer, 'newer');
      await add(newer, 'x'.repeat(maxBytes));
      expect(content()).toEqual(['first\nnewer\n', `${'x'.repeat(maxBytes)}\n`]);
      await newer.close();
    },
  );

  it('again, before the second owner has it, belongs to the third', async () => {
    const first = await openFile();
    const held = holdNext('write');
    const late = first.ahead(line('late'));
    await held.begun;
    const second = openFile();
    const third = openFile();
    held.release();
    await expect(second).rejects.toMatchObject({ reason: 'LOG_FILE_TAKEN' });
    const file = await third;
    await expectTold(first, late);
    await add(file, 'third');
    expect(content()).toEqual(['third\n']);
    await file.close();
  });

  it('is not cut by the older one, which is told', async () => {
    const older = await openFile();
    await add(older, 'first');
    older.doubt();
    const newer = await openFile();
    await add(newer, 'newer');
    await expect(older.ready()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'LOG_FILE_TAKEN' });
    expect(content()).toEqual(['first\nnewer\n']);
    await Promise.all([older.close(), newer.close()]);
  });
});

describe('a file that somebody else', () => {
  const path = (): string => join(directory, 'sink-000001.jsonl');

  it.each([
    ['wrote to', () => appendFileSync(path(), 'not ours'), ['first\nlast\n']],
    ['cut', () => truncateSync(path(), 2), ['fi', 'last\n']],
    ['took away', () => unlinkSync(path()), ['last\n']],
    ['took away with its folder', () => rmSync(directory, { recursive: true }), ['last\n']],
  ])('%s is put in order before a line is committed', async (_, change, expected) => {
    const file = await openFile();
    await add(file, 'first');
    change();
    await expect(add(file, 'not where it should be')).rejects.toMatchObject({ reason: /LOG_FILE_(CHANGED|UNWRITABLE)/ });
    await add(file, 'last');
    expect(content()).toEqual(expected);
    await file.close();
  });
});

describe('bytes on their way', () => {
  it('reach the disk before they can be committed, while the next are written behind them', async () => {
    const file = await openFile();
    const held = holdNext('datasync');
    const first = file.ahead(line('first'));
    const second = file.ahead(line('second'));
    let settled = false;
    void first.settled.then(() => {
      settled = true;
    });
    await held.begun;
    await vi.waitFor(() => expect(content()).toEqual(['first\nsecond\n']));
    expect(settled).toBe(false);
    expect(calls.datasync).toHaveBeenCalledTimes(1);
    held.release();
    await first.settled;
    await commit(file, first);
    await second.settled;
    await commit(file, second);
    expect(await committedBytes()).toBe(13);
    expect(calls.datasync).toHaveBeenCalledTimes(2);
    await file.close();
  });

  it('are cut off with all behind them when their transaction fails', async () => {
    const file = await openFile();
    await add(file, 'kept');
    const first = file.ahead(line('first'));
    await first.settled;
    const held = holdNext('write');
    const second = file.ahead(line('second'));
    await held.begun;
    file.doubt();
    const ready = file.ready();
    held.release();
    await ready;
    expect([first.lost, second.lost]).toEqual([true, true]);
    await expect(commit(file, second)).rejects.toMatchObject({ reason: 'LOG_FILE_ORDER' });
    expect(content()).toEqual(['kept\n']);
    await file.close();
  });

  it('are lost with all behind them, and with none before them, when the disk fails', async () => {
    const file = await openFile();
    const first = file.ahead(line('first'));
    await first.settled;
    vi.spyOn(calls, 'datasync').mockRejectedValueOnce(new Error('EIO'));
    const second = file.ahead(line('second'));
    const third = file.ahead(line('third'));
    await third.settled;
    expect(second.failure).toMatchObject({ code: 'UNAVAILABLE', reason: 'LOG_FILE_UNWRITABLE' });
    expect([first.lost, second.lost, third.lost]).toEqual([false, true, true]);
    await commit(file, first);
    await add(file, 'last');
    expect(content()).toEqual(['first\nlast\n']);
    await file.close();
  });

  it('are never half there: what a full disk took of them is cut off', async () => {
    const file = await openFile();
    await add(file, 'kept');
    const { write } = calls;
    vi.spyOn(calls, 'write').mockImplementationOnce(async function (this: never, bytes, offset) {
      await write.call(this, bytes, offset, 3);
      throw new Error('ENOSPC: no space left on device, write');
    });
    await expect(add(file, 'too much')).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'LOG_FILE_UNWRITABLE' });
    await file.ready();
    expect(content()).toEqual(['kept\n']);
    await add(file, 'last');
    expect(content()).toEqual(['kept\nlast\n']);
    await file.close();
  });

  it('go to the next file in their order', async () => {
    const file = await openFile();
    const all = Array.from({ length: 40 }, (_, n) => `line ${n} ${'x'.repeat(n)}`);
    for (const ahead of all.map((text) => file.ahead(line(text)))) {
      await ahead.settled;
      await commit(file, ahead);
    }
    expect(content().join('')).toBe(`${all.join('\n')}\n`);
    expect(content().length).toBeGreaterThan(5);
    expect(existsSync(file.path)).toBe(true);
    await file.close();
  });
});
