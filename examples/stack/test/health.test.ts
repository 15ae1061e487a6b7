import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const program = join(import.meta.dirname, '../health.ts');

async function check(host: string, port: number): Promise<string> {
  const env = { ...process.env, PAYSTREAM_HOST: host, PAYSTREAM_HTTP_PORT: `${port}` };
  const ended = await run(process.execPath, [program, 'ready'], { env }).catch((failed: { readonly stderr: string }) => failed);
  return 'stdout' in ended && ended.stdout !== '' ? ended.stdout : ended.stderr;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

it('finds a service that listens on every address', async () => {
  const server = createServer((request, response) => response.end(`asked for ${request.url}`)).listen(0, '0.0.0.0');
  await once(server, 'listening');
  expect(await check('0.0.0.0', (server.address() as AddressInfo).port)).toBe('asked for /readyz\n');
  server.close();
});

it.each([
  ['', '127.0.0.1'],
  ['::', '127.0.0.1'],
  ['::1', '[::1]'],
  ['127.0.0.2', '127.0.0.2'],
])('asks where a service listens whose host is "%s", so that a good container is not unhealthy for ever', async (host, asked) => {
  const port = await freePort();
  expect(await check(host, port)).toContain(`http://${asked}:${port}/readyz: `);
});
