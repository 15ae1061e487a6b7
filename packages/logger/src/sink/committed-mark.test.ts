import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger, systemClock, systemRandom } from '@paystream/core';
import { createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import { createVirtualClock } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CommittedFile, type CommittedFileOptions, openCommittedFile } from './committed-file.ts';
import { logSinkMigrations } from './migrations.ts';
import { addLine, contentOf } from './test-support.ts';

const maxBytes = 100;
let directory: string;
let database: Database;

const openDatabase = async (): Promise<Database> => {
  const opened = await createSqliteDatabase({ path: ':memory:' });
  await opened.migrate(logSinkMigrations);
  return opened;
};

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'paystream-'));
  database = await openDatabase();
});

afterEach(async () => {
  await database.close();
  rmSync(directory, { recursive: true, force: true });
});

const openFile = (more: Partial<CommittedFileOptions> = {}): Promise<CommittedFile> =>
  openCommittedFile({
    ...{ directory, name: 'sink', instance: 'sink', maxBytes, keep: 100, fsync: true },
    ...{ database, clock: systemClock, random: systemRandom, logger: silentLogger },
    ...more,
  });

const add = (file: CommittedFile, text: string): Promise<void> => addLine(database, file, text);
const content = (): string[] => contentOf(directory);

describe('files of which the database knows less', () => {
  const first = [1, 2, 3].map((n) => `${n} ${'x'.repeat(maxBytes - 3)}\n`);

  const writeFirst = (): void => {
    for (const [index, text] of first.entries()) writeFileSync(join(directory, `sink-00000${index + 1}.jsonl`), text);
  };

  const addFirst = async (file: CommittedFile): Promise<void> => {
    for (const text of first) await add(file, text.trimEnd());
  };

  /** Puts the database back to where it was. */
  const putBack = (sequence: number, size: number): Promise<unknown> =>
    database.transaction((tx) => tx.execute(`UPDATE ${database.tables('log_files')} SET sequence = ?, size = ?`, [sequence, size]));

  const forget = (): void => rmSync(join(directory, '.sink.committed'));

  function warnings(): { readonly logger: Logger; readonly told: string[] } {
    const told: string[] = [];
    return { told, logger: { ...silentLogger, warn: (_, message) => void told.push(message) } };
  }

  const expectKept = async (openAgain: (logger: Logger) => Promise<CommittedFile>, kept: readonly string[]): Promise<void> => {
    const { logger, told } = warnings();
    const file = await openAgain(logger);
    await add(file, 'last');
    expect(content()).toEqual([...kept, 'last\n']);
    expect(file.path).toBe(join(directory, `sink-00000${kept.length + 1}.jsonl`));
    expect(told).toHaveLength(1);
    await file.close();
    const again = await openFile({ logger });
    await add(again, 'behind it');
    expect(content()).toEqual([...kept, 'last\nbehind it\n']);
    expect(told).toHaveLength(1);
    await again.close();
  };

  it('are all kept by a sink with a new database', async () => {
    writeFirst();
    await expectKept((logger) => openFile({ logger }), first);
  });

  it('are all kept until the file after them is full, also where there are more than are to be kept', async () => {
    writeFirst();
    for (const line of ['one', 'two']) {
      const file = await openFile({ keep: 2 });
      expect(content().slice(0, 3)).toEqual(first);
      await add(file, line);
      file.tidy();
      expect(content()).toHaveLength(4);
      await file.close();
    }
    const file = await openFile({ keep: 2 });
    await add(file, 'x'.repeat(maxBytes - 1));
    file.tidy();
    expect(content()).toEqual(['one\ntwo\n', `${'x'.repeat(maxBytes - 1)}\n`]);
    await file.close();
  });

  it('are all kept by a sink that goes on with another database, and when it comes back', async () => {
    const other = await openDatabase();
    const mine = await openFile();
    await add(mine, 'mine');
    await mine.close();
    const theirs = await openFile({ database: other });
    await addLine(other, theirs, 'theirs');
    await theirs.close();
    await expectKept((logger) => openFile({ logger }), ['mine\n', 'theirs\n']);
    await other.close();
  });

  it.each([
    ['by files', 1, maxBytes],
    ['by one file', 2, maxBytes],
    ['by lines of the same file', 3, 0],
  ])('are all kept when it was restored from a backup that is behind %s', async (_, sequence, size) => {
    const file = await openFile();
    await addFirst(file);
    await file.close();
    await putBack(sequence, size);
    await expectKept((logger) => openFile({ logger }), first);
  });

  it('are all kept when it was restored, and nothing says how far they were committed', async () => {
    const file = await openFile();
    await addFirst(file);
    await add(file, 'y'.repeat(maxBytes));
    await file.close();
    forget();
    await putBack(1, maxBytes);
    await expectKept((logger) => openFile({ logger }), [...first, `${'y'.repeat(maxBytes)}\n`]);
  });

  it('are all kept when it was restored while the sink ran', async () => {
    const { logger, told } = warnings();
    const file = await openFile({ logger });
    await addFirst(file);
    file.doubt();
    await putBack(2, 5);
    await add(file, 'last');
    expect(content()).toEqual([...first, 'last\n']);
    expect(told).toHaveLength(1);
    await file.close();
  });

  it('are all kept when it was restored and the sink had died a second after it stored them', async () => {
    const clock = createVirtualClock();
    const died = await openFile({ clock });
    await addFirst(died);
    await clock.advance({ seconds: 1 });
    await vi.waitFor(() => expect(readFileSync(join(directory, '.sink.committed'), 'utf8')).toContain('"sequence":3'));
    await putBack(3, 0);
    await expectKept((logger) => openFile({ logger }), first);
    await died.close();
  });

  it('leave no trace of a crash: what was never committed is cut off, and its files are used again', async () => {
    const { logger, told } = warnings();
    const died = await openFile();
    await add(died, 'kept');
    await died.close();
    appendFileSync(join(directory, 'sink-000001.jsonl'), 'torn');
    writeFileSync(join(directory, 'sink-000002.jsonl'), 'and the next');
    writeFileSync(join(directory, 'sink-000003.jsonl'), 'and the one behind it');
    const file = await openFile({ logger });
    await add(file, 'last');
    expect([content(), told]).toEqual([['kept\nlast\n'], []]);
    await file.close();
  });

  it('may be unknown to it for want of the note, and the sink says so instead of guessing', async () => {
    mkdirSync(join(directory, '.sink.committed'));
    await expect(openFile()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'LOG_FILE_UNWRITABLE' });
  });

  it('are written on while the note cannot be, with one warning', async () => {
    const clock = createVirtualClock();
    const { logger, told } = warnings();
    const file = await openFile({ clock, logger });
    await add(file, 'one');
    await clock.advance({ seconds: 1 });
    await vi.waitFor(() => expect(readFileSync(join(directory, '.sink.committed'), 'utf8')).toContain('"size":4'));
    forget();
    mkdirSync(join(directory, '.sink.committed'));
    for (const text of ['two', 'three']) {
      await add(file, text);
      await clock.advance({ seconds: 1 });
    }
    await file.close();
    expect([content(), told.length]).toEqual([['one\ntwo\nthree\n'], 1]);
  });

  it('may be taken away, and the sink goes on', async () => {
    const file = await openFile();
    await addFirst(file);
    await file.close();
    for (const name of readdirSync(directory).filter((one) => one.endsWith('.jsonl'))) unlinkSync(join(directory, name));
    await putBack(1, 0);
    const again = await openFile();
    await add(again, 'one');
    again.doubt();
    await add(again, 'two');
    expect(content()).toEqual(['one\ntwo\n']);
    await again.close();
  });
});
