import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../src/config/config.ts';
import { wholeStack } from '../src/service-names.ts';
import { startStack } from '../src/stack.ts';

let directory: string;
let server: Server;
let greet: (socket: Socket) => void;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'paystream-wrong-'));
  greet = () => undefined;
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    greet(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

const there = (): string => `127.0.0.1:${(server.address() as AddressInfo).port}`;

function start(settings: Readonly<Record<string, string>>): Promise<unknown> {
  const ports = { PAYSTREAM_GRPC_PORT: '0', PAYSTREAM_HTTP_PORT: '0', PAYSTREAM_LOG_LEVEL: 'silent' };
  return startStack(readConfig({ PAYSTREAM_DATA_DIR: directory, ...ports, ...settings }), wholeStack);
}

describe('a start is refused in plain words', () => {
  it('by what listens where Pulsar should and is something else', async () => {
    greet = (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    await expect(start({ PAYSTREAM_BROKER: 'pulsar', PAYSTREAM_PULSAR_URL: `pulsar://${there()}` })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^no Pulsar broker at .* does not speak as a Pulsar broker does; check PAYSTREAM_PULSAR_URL/),
    });
  });

  it('by a token file that cannot be read, before anybody is asked', async () => {
    const settings = { PAYSTREAM_BROKER: 'pulsar', PAYSTREAM_PULSAR_URL: `pulsar://${there()}` };
    await expect(start({ ...settings, PAYSTREAM_PULSAR_TOKEN_FILE: join(directory, 'none') })).rejects.toMatchObject({
      reason: 'INVALID_SETTINGS',
      message: expect.stringContaining('PAYSTREAM_PULSAR_TOKEN_FILE names a file that cannot be read'),
    });
  });

  it('by an address of MySQL whose password has a % that stands for itself, which it names and does not show', async () => {
    const settings = { PAYSTREAM_DATABASE: 'mysql', PAYSTREAM_MYSQL_URL: `mysql://user:hunter2%zz@${there()}/paystream` };
    await expect(start(settings)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_MYSQL_URL',
      message: expect.stringMatching(/^(?!.*hunter2).* has a % .*; PAYSTREAM_MYSQL_URL says where it is$/),
    });
  });

  it.each([
    ['none', {}],
    ['one that it does not know', { PAYSTREAM_GATEWAY_KEY: 'guess' }],
    ['one of a merchant', { PAYSTREAM_GATEWAY_KEY: 'of-a-merchant' }],
  ])('by a gateway that wants a key and is shown %s', async (_, shown) => {
    const ports = { PAYSTREAM_GRPC_PORT: '0', PAYSTREAM_HTTP_PORT: '0', PAYSTREAM_LOG_LEVEL: 'silent' };
    const keys = { PAYSTREAM_API_KEYS: 'of-all=*,of-a-merchant=merchant-1' };
    const gateway = await startStack(readConfig({ PAYSTREAM_DATA_DIR: join(directory, 'gateway'), ...ports, ...keys }), ['gateway']);
    await expect(start({ PAYSTREAM_GATEWAY_URL: `http://${gateway.server.grpcAddress}`, ...shown })).rejects.toMatchObject({
      message: expect.stringMatching(/^the gateway at http:.* refuses us: .* PAYSTREAM_GATEWAY_KEY is what it is shown/),
    });
    await gateway.stop();
  });

  it('by a gateway that takes the connection and never answers', async () => {
    const settings = { PAYSTREAM_GATEWAY_URL: `http://${there()}`, PAYSTREAM_PAYMENT_CALL_TIMEOUT_MS: '200' };
    await expect(start(settings)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^no gateway at .*PAYSTREAM_GATEWAY_URL says: it did not answer within 200 ms/),
    });
  });
});
