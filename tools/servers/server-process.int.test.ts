import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { run } from '../workspace.ts';
import { freePorts, type ServerProcessOptions, startServerProcess } from './server-process.ts';

const leftovers: string[] = [];
afterEach(async () => {
  for (const folder of leftovers.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'paystream-server-'));
  leftovers.push(folder);
  return folder;
}

async function options(port: number): Promise<ServerProcessOptions> {
  return {
    title: 'The server',
    command: process.execPath,
    args: ['-e', `require('node:net').createServer().listen(${port}, '127.0.0.1', () => require('node:fs').writeFileSync('ready', ''))`],
    directory: await newFolder(),
    temporary: false,
    ports: [port],
    isReady: async () => true,
    startTimeoutMs: 10_000,
  };
}

it('does not take who listens on its port already for the server that it starts', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const wanted = await options(port);
  await expect(startServerProcess(wanted)).rejects.toThrow(`The server cannot have port ${port}: something else listens there`);
  expect(await readdir(wanted.directory), 'nothing was started').toEqual([]);
  await new Promise((resolve) => other.close(resolve));
});

it('starts again on the port that it had', async () => {
  const [port = 0] = await freePorts(1);
  const wanted = await options(port);
  const ready = async (): Promise<boolean> => (await readdir(wanted.directory)).includes('ready');
  const server = await startServerProcess({ ...wanted, isReady: ready });
  await rm(join(wanted.directory, 'ready'));
  await server.restart();
  expect(await ready()).toBe(true);
  await server.stop();
});

it.each([
  [['start', '--prot', '1'], "Unknown option '--prot'"],
  [['start', '--set', 'max_connections'], '--set takes name=value, not "max_connections"'],
  [['start', '--port', 'x'], '--port takes a port from 1 to 65535, not "x"'],
])('says in a sentence what is wrong with %j', async (args, message) => {
  const home = await newFolder();
  const { code, output } = await run(process.execPath, ['--conditions=paystream-source', 'tools/pulsar/main.ts', ...args], {
    env: { ...process.env, XDG_CACHE_HOME: home },
  });
  expect(code).toBe(1);
  expect(output).toContain(message);
  expect(output).not.toMatch(/^\s+at /mu);
});
