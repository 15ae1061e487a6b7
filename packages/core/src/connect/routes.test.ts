import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { WalletService } from '../contracts/index.ts';
import { errorFromRpc } from '../rpc/from-rpc-error.ts';
import { withRpcMiddleware } from '../rpc/middleware.ts';
import { defineRpcService } from '../rpc/port.ts';
import { rpcRoutes } from './routes.ts';

const path = '/paystream.wallet.v1.WalletService/GetWallet';
const service = withRpcMiddleware(
  defineRpcService(WalletService, {
    getWallet: async ({ merchantId }) => ({ wallets: [{ merchantId }] }),
    getTrialBalance: async () => ({}),
  }),
);
const handler = connectNodeAdapter({ routes: rpcRoutes([service], { maxRequestBytes: 1_000 }) });

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

async function listen(server: Server | Http2Server): Promise<string> {
  cleanups.push(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("in somebody else's HTTP/1.1 server", () => {
  const post = async (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`http://${await listen(createServer(handler))}${path}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });

  it('answers', async () => {
    expect(await (await post('{"merchantId":"m1"}')).json()).toEqual({ wallets: [{ merchantId: 'm1' }] });
  });

  it('answers a GET, so that caches can serve', async () => {
    const address = await listen(createServer(handler));
    const query = new URLSearchParams({ encoding: 'json', message: '{"merchantId":"m1"}', connect: 'v1' });
    expect((await fetch(`http://${address}${path}?${query}`)).status).toBe(200);
    query.set('message', '{');
    const refused = await fetch(`http://${address}${path}?${query}`);
    expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('REQUEST_MALFORMED')]);
  });

  it.each([
    ['is too large', 'x'.repeat(1_001), {}, 429, 'REQUEST_TOO_LARGE'],
    ['grows too large when unpacked', gzipSync('x'.repeat(1_000_000)), { 'content-encoding': 'gzip' }, 429, 'REQUEST_TOO_LARGE'],
    ['is packed in a way nobody knows', '{}', { 'content-encoding': 'pigeon' }, 501, 'REQUEST_UNSUPPORTED'],
    ['names no time that can be read', '{}', { 'connect-timeout-ms': 'soon' }, 400, 'REQUEST_MALFORMED'],
    ['breaks a rule', '{}', {}, 400, 'REQUEST_INVALID'],
    ['is no UTF-8', Buffer.from('{"merchantId":"m\xff"}', 'latin1'), {}, 400, 'REQUEST_MALFORMED'],
    ['breaks off within a character', Buffer.from('{"merchantId":"m"}\xc3', 'latin1'), {}, 400, 'REQUEST_MALFORMED'],
  ])('says why it refuses what %s', async (_what, body, headers, status, reason) => {
    const answer = await post(body as string, headers as Record<string, string>);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toHaveProperty('details.0.debug.reason', reason);
  });

  it('leaves a content type that nobody serves to HTTP', async () => {
    expect((await post('<a/>', { 'content-type': 'application/xml' })).status).toBe(415);
  });
});

describe("in somebody else's HTTP/2 server", () => {
  const call = async (bytes: Uint8Array): Promise<unknown> => {
    const client = new Client(await listen(createHttp2Server(handler)), credentials.createInsecure());
    cleanups.push(() => client.close());
    const raw = (buffer: Buffer): Buffer => buffer;
    return new Promise((resolve) => {
      client.makeUnaryRequest(path, raw, raw, Buffer.from(bytes), (error, answer) => resolve(error ?? answer));
    });
  };

  it('answers gRPC clients, and refuses as the gRPC transport does', async () => {
    expect(await call(Uint8Array.of(10, 2, 0x6d, 0x31))).toBeInstanceOf(Buffer);
    expect(errorFromRpc(await call(Uint8Array.of(0xff)))).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'REQUEST_MALFORMED' });
    expect(errorFromRpc(await call(new Uint8Array(2_000)))).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'REQUEST_TOO_LARGE' });
    expect(errorFromRpc(await call(new Uint8Array()))).toMatchObject({ reason: 'REQUEST_INVALID', violations: [{ field: 'merchant_id' }] });
  });
});
