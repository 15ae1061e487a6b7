import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@paystream/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openLogFile } from './log-file.ts';
import { fileCalls } from './test-support.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'paystream-'));
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true, force: true });
});

describe('lines that are appended while a transaction waits', () => {
  it('are on the disk before it commits, and the process goes on until then', async () => {
    const file = openLogFile({ directory, name: 'sink', maxBytes: 100, keep: 10, fsync: true });
    const begin = file.restore({ sequence: 1, size: 0 });
    const calls = await fileCalls();
    const { datasync } = calls;
    const disk = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    vi.spyOn(calls, 'datasync').mockImplementationOnce(async function (this: never) {
      reached.resolve();
      await disk.promise;
      return datasync.call(this);
    });
    const lines = Buffer.from('one\ntwo\n');
    const end = file.after(begin, lines.length);
    let appended = false;
    const appending = file.appendAndSync(lines, end).then(() => {
      appended = true;
    });
    await reached.promise;
    await systemClock.sleep(20);
    expect(readFileSync(file.path(end), 'utf8')).toBe('one\ntwo\n');
    expect(appended).toBe(false);
    disk.resolve();
    await appending;
    await file.close();
  });

  it('are not appended to what somebody else has written', async () => {
    const file = openLogFile({ directory, name: 'sink', maxBytes: 100, keep: 10, fsync: false });
    const begin = file.restore({ sequence: 1, size: 0 });
    const other = openLogFile({ directory, name: 'sink', maxBytes: 100, keep: 10, fsync: false });
    const lines = Buffer.from('one\n');
    other.append(lines, other.after(begin, lines.length));
    await expect(file.appendAndSync(lines, file.after(begin, lines.length))).rejects.toMatchObject({ reason: 'LOG_FILE_CHANGED' });
    await file.close();
  });
});
