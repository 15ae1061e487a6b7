import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { PaystreamError } from '@paystream/core';
import { createEmbeddedBroker, createSqliteDatabase } from '@paystream/core/embedded';
import type { Database } from '@paystream/core/sql';
import { createLogSink } from './log-sink.ts';
import { fileCalls, orderLogs } from './test-support.ts';

/** Where a sink may die. */
export type Moment =
  /** Before a transaction begins. */
  | 'before'
  /** When all that belongs to it was written, before it commits. */
  | 'inside'
  /** When it has committed, before the next one. */
  | 'committed'
  /** Half-way through the lines. */
  | 'writing'
  /** When the next file was made. */
  | 'rotating'
  /** When a transaction was taken back since an entry was stored before. */
  | 'refused'
  /** When the lines of its new entries were written in place of all, before the commit. */
  | 'replaced';

export const storePath = (folder: string): string => join(folder, 'store.db');
export const brokerPath = (folder: string): string => join(folder, 'broker.db');
export const logFolder = (folder: string): string => join(folder, 'logs');
export const fileOptions = { maxBytes: 20_000, keep: 100_000 };

const isLogFile = (path: unknown): boolean => String(path).endsWith('.jsonl');

/** Kills the process at the so-many-th such moment. */
function reaper(moment: string, nth: number): (at: Moment) => boolean {
  let left = nth;
  return (at) => {
    if (at !== moment) return false;
    left -= 1;
    return left === 0;
  };
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** Writes half of what it is told to and dies, when it is time. */
async function dieWhileWriting(isTime: () => boolean): Promise<void> {
  const { writeSync } = fs;
  fs.writeSync = ((fd: number, bytes: Uint8Array, offset: number, length: number, position: number | null) => {
    const time = isTime();
    const written = writeSync(fd, bytes, offset, time ? length >> 1 : length, position);
    if (time) die();
    return written;
  }) as typeof fs.writeSync;
  const files = await fileCalls();
  const { write } = files;
  files.write = async function (bytes, offset, length) {
    const time = isTime();
    const written = await write.call(this, bytes, offset, time ? length >> 1 : length);
    if (time) die();
    return written;
  };
}

/** Dies when a file was made, when it is time. */
function dieAtRotation(isTime: () => boolean): void {
  const { openSync } = fs;
  fs.openSync = (path, ...rest) => {
    const isNew = isLogFile(path) && !fs.existsSync(path);
    const fd = openSync(path, ...rest);
    if (isNew && isTime()) die();
    return fd;
  };
  const { open: openAsync } = fs.promises;
  fs.promises.open = async (path, ...rest) => {
    const isNew = isLogFile(path) && !fs.existsSync(String(path));
    const handle = await openAsync(path, ...rest);
    if (isNew && isTime()) die();
    return handle;
  };
}

function mortal(database: Database, isTime: (at: Moment) => boolean): Database {
  let refused = false;
  return {
    ...database,
    transaction: async (work) => {
      if (isTime('before')) die();
      const replacing = refused;
      refused = false;
      try {
        const result = await database.transaction(async (tx) => {
          const value = await work(tx);
          if (isTime('inside') || (replacing && isTime('replaced'))) die();
          return value;
        });
        if (isTime('committed')) die();
        return result;
      } catch (error) {
        refused = !PaystreamError.is(error);
        if (refused && isTime('refused')) die();
        throw error;
      }
    },
  };
}

/** Runs a sink until it dies. Tells its parent when it has begun. */
async function runSink(folder: string, moment: string, nth: number): Promise<void> {
  const isTime = reaper(moment, nth);
  await dieWhileWriting(() => isTime('writing'));
  dieAtRotation(() => isTime('rotating'));
  syncBuiltinESMExports();
  const broker = await createEmbeddedBroker({ path: brokerPath(folder) });
  const database = mortal(await createSqliteDatabase({ path: storePath(folder) }), isTime);
  await createLogSink({
    broker,
    database,
    topics: [orderLogs],
    batch: { maxSize: 10, lingerMs: 0 },
    file: { directory: logFolder(folder), ...fileOptions },
  });
  // Stays when nothing is left to do, for as long as its parent is there.
  process.on('message', () => undefined);
  process.send?.('up');
}

const [, , folder, moment, nth] = process.argv;
if (process.send !== undefined && folder !== undefined && moment !== undefined) await runSink(folder, moment, Number(nth));
