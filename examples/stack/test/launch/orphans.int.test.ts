import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { neighbouringPorts } from '../neighbouring-ports.ts';
import { runs } from '../stack-process.ts';

let directory: string;
let pid: number | undefined;
let launched: ChildProcess | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'paystream-orphans-'));
});
afterEach(async () => {
  launched?.kill('SIGKILL');
  if (pid !== undefined && runs(pid)) process.kill(pid, 'SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** A launcher whose service is ready. As loud as can be: what it prints has nowhere to go any more when the launcher is gone. */
async function launch(): Promise<{ readonly launcher: ChildProcess; readonly service: number }> {
  const first = await neighbouringPorts(2);
  const args = ['--conditions=paystream-source', join(import.meta.dirname, 'launcher.fixture.ts'), `${first}`, `${first + 1}`];
  const env = { ...process.env, PAYSTREAM_DATA_DIR: directory, PAYSTREAM_LOG_LEVEL: 'trace' };
  const launcher = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  launched = launcher;
  const [line] = (await once(launcher.stdout, 'data')) as [Buffer];
  const service = Number(line.toString());
  pid = service;
  expect(runs(service)).toBe(true);
  return { launcher, service };
}

/** A process that is cut off leaves the log of its book behind; one that stops closes the book. */
const logs = async (): Promise<readonly string[]> => (await readdir(join(directory, 'gateway'))).filter((name) => name.endsWith('-wal'));

it('leaves no service behind when the launcher is killed: each finishes what is under way and ends', async () => {
  const { launcher, service } = await launch();
  expect(await logs()).not.toEqual([]);
  launcher.kill('SIGKILL');
  await expect.poll(() => runs(service), { timeout: 15_000 }).toBe(false);
  expect(await logs()).toEqual([]);
}, 60_000);

it('stops at SIGINT under any other parent, also one that opens a channel, as process managers do', async () => {
  const first = await neighbouringPorts(2);
  const args = ['--conditions=paystream-source', join(import.meta.dirname, '..', '..', 'main.ts'), 'gateway'];
  const ports = { PAYSTREAM_GRPC_PORT: `${first}`, PAYSTREAM_HTTP_PORT: `${first + 1}` };
  const env = { ...process.env, ...ports, PAYSTREAM_DATA_DIR: directory };
  const managed = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  launched = managed;
  for await (const line of createInterface({ input: managed.stdout as NodeJS.ReadableStream }))
    if (line.startsWith('Paystream is ready')) break;
  managed.kill('SIGINT');
  expect(await once(managed, 'exit')).toEqual([0, null]);
}, 60_000);

it('leaves it to the launcher what Ctrl+C means, which a terminal tells all of its processes', async () => {
  const { service } = await launch();
  process.kill(service, 'SIGINT');
  await sleep(500);
  // It takes no second signal for a person who wants it to end at once.
  expect(runs(service)).toBe(true);
  process.kill(service, 'SIGTERM');
  await expect.poll(() => runs(service), { timeout: 15_000 }).toBe(false);
  expect(await logs()).toEqual([]);
}, 60_000);
