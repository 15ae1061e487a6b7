import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freePorts } from '../test-support.ts';

let directory: string;
let pid: number | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'paystream-orphans-'));
});
afterEach(async () => {
  if (pid !== undefined && runs(pid)) process.kill(pid, 'SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

it('leaves no service behind when the launcher is killed: each finishes what is under way and ends', async () => {
  const first = await freePorts(2);
  const args = ['--conditions=paystream-source', join(import.meta.dirname, 'launcher.fixture.ts'), `${first}`, `${first + 1}`];
  // As loud as can be: what it prints has nowhere to go any more either.
  const env = { ...process.env, PAYSTREAM_DATA_DIR: directory, PAYSTREAM_LOG_LEVEL: 'trace' };
  const launcher = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(launcher.stdout, 'data')) as [Buffer];
  const service = Number(line.toString());
  pid = service;
  expect(runs(service)).toBe(true);
  // A process that is cut off leaves the log of its book behind; one that stops closes the book.
  const logs = async () => (await readdir(join(directory, 'gateway'))).filter((name) => name.endsWith('-wal'));
  expect(await logs()).not.toEqual([]);
  launcher.kill('SIGKILL');
  await expect.poll(() => runs(service), { timeout: 15_000 }).toBe(false);
  expect(await logs()).toEqual([]);
}, 60_000);
