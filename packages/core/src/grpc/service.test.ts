import { connect } from 'node:http2';
import { setImmediate as turn } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientReadableStream, credentials, Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { GetWalletRequestSchema, OrderService, WalletService, WatchOrderRequestSchema } from '../contracts/index.ts';
import { errorFromRpc } from '../rpc/from-rpc-error.ts';
import { withRpcMiddleware } from '../rpc/middleware.ts';
import { defineRpcService, type RpcService } from '../rpc/port.ts';
import { addRpcService, type GrpcServiceOptions } from './service.ts';

const raw = (bytes: Buffer): Buffer => bytes;
const getWalletPath = '/paystream.wallet.v1.WalletService/GetWallet';
const watchOrderPath = '/paystream.order.v1.OrderService/WatchOrder';
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean();
});

async function serve(service: RpcService, options?: GrpcServiceOptions): Promise<Client> {
  const server = new Server();
  addRpcService(server, service, options);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  cleanups.push(
    () => server.forceShutdown(),
    () => client.close(),
  );
  return client;
}

function unary(client: Client, bytes: Uint8Array): Promise<{ error: ServiceError | null; answer: Buffer | undefined }> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(getWalletPath, raw, raw, Buffer.from(bytes), (error, answer) => resolve({ error, answer }));
  });
}

const wallets = (getWallet: () => Promise<object>): RpcService =>
  defineRpcService(WalletService, { getWallet, getTrialBalance: async () => ({}) });
const orders = (watchOrder: (request: unknown, context: { signal: AbortSignal }) => AsyncIterable<object>): RpcService =>
  defineRpcService(OrderService, {
    createOrder: async () => ({}),
    getOrder: async () => ({}),
    listOrders: async () => ({}),
    waitOrder: async () => ({}),
    cancelOrder: async () => ({}),
    watchOrder,
  });
const watchRequest = (): Buffer =>
  Buffer.from(toBinary(WatchOrderRequestSchema, create(WatchOrderRequestSchema, { orderId: 'o', merchantId: 'm' })));
const watch = (client: Client): ClientReadableStream<Buffer> =>
  client.makeServerStreamRequest<Buffer, Buffer>(watchOrderPath, raw, raw, watchRequest());

describe('a request that is no message', () => {
  it.each([
    ['bytes at random', [0xff, 0xff, 0x01]],
    ['a length beyond the end', [10, 50, 1]],
    ['a string that is no UTF-8', [10, 3, 0xff, 0xfe, 0xfd]],
    ['an end in the middle of a tag', [0x80]],
  ])('gets INVALID_ARGUMENT with a reason, not INTERNAL: %s', async (_what, bytes) => {
    const client = await serve(wallets(async () => ({})));
    const { error } = await unary(client, Uint8Array.from(bytes));
    expect(error?.code).toBe(3);
    expect(errorFromRpc(error)).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'REQUEST_MALFORMED' });
    expect((await unary(client, new Uint8Array())).error).toBeNull();
  });

  it('never gets an answer that blames the server, whatever the bytes', async () => {
    const client = await serve(withRpcMiddleware(wallets(async () => ({}))));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), async (bytes) => {
        const { error } = await unary(client, bytes);
        expect([undefined, 3]).toContain(error?.code);
      }),
      { numRuns: 200 },
    );
  });

  it('gets it on a stream too', async () => {
    const client = await serve(
      orders(async function* () {
        yield {};
      }),
    );
    const stream = client.makeServerStreamRequest(watchOrderPath, raw, raw, Buffer.from([0xff]));
    const error = await new Promise((resolve) => stream.once('error', resolve));
    expect(errorFromRpc(error).reason).toBe('REQUEST_MALFORMED');
  });
});

describe('a request that is too large', () => {
  it.each([1_001, 5_000_000])('of %d bytes gets RESOURCE_EXHAUSTED', async (length) => {
    const client = await serve(
      wallets(async () => ({})),
      { maxRequestBytes: 1_000 },
    );
    const bytes = toBinary(GetWalletRequestSchema, create(GetWalletRequestSchema, { merchantId: 'm'.repeat(length) }));
    const { error } = await unary(client, bytes);
    expect(errorFromRpc(error).code).toBe('RESOURCE_EXHAUSTED');
  });
});

describe('an answer', () => {
  it('that cannot be encoded is a fault of ours: logged, and no secret told', async () => {
    const logged: string[] = [];
    const write = (_fields: object, message: string): void => void logged.push(message);
    const logger = { debug: () => undefined, info: () => undefined, warn: write, error: write };
    const client = await serve(
      wallets(async () => ({ wallets: [{ sales: 'secret' }] })),
      { logger },
    );
    const { error } = await unary(client, new Uint8Array());
    expect(errorFromRpc(error)).toMatchObject({ code: 'INTERNAL', reason: 'INTERNAL_ERROR' });
    expect(logged).toHaveLength(1);
  });

  it('thrown before the first await is an answer as well', async () => {
    const client = await serve(
      wallets(() => {
        throw new RangeError('at once');
      }),
    );
    expect((await unary(client, new Uint8Array())).error?.code).toBe(13);
  });
});

describe('a stream', () => {
  it('makes its source wait for a reader that is slow', async () => {
    const part = { event: { case: 'order', value: { reason: 'x'.repeat(64 * 1024) } } };
    let yielded = 0;
    const client = await serve(
      orders(async function* () {
        for (; yielded < 1_000; yielded++) yield part;
      }),
    );
    // A plain HTTP/2 client: that of grpc-js reads on, whoever waits.
    const session = connect(`http://${client.getChannel().getTarget().replace('dns:', '')}`);
    cleanups.push(() => session.destroy());
    const stream = session.request({ ':method': 'POST', ':path': watchOrderPath, 'content-type': 'application/grpc', te: 'trailers' });
    const message = watchRequest();
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([frame, message]));
    await new Promise((resolve) => stream.once('response', resolve));
    let before = -1;
    while (yielded !== before) {
      before = yielded;
      for (let turns = 0; turns < 200; turns++) await turn();
    }
    // What is under way fits the windows of HTTP/2 and one buffer; all of it would be 64 MB.
    expect(yielded).toBeLessThan(100);
    let received = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) received += chunk.length;
    expect(received).toBeGreaterThan(1_000 * 64 * 1024);
  });

  it('lets its source end when its reader leaves while it waits for room', async () => {
    const part = { event: { case: 'order', value: { reason: 'x'.repeat(64 * 1024) } } };
    const ended = Promise.withResolvers<AbortSignal>();
    const client = await serve(
      orders(async function* (_request, { signal }) {
        try {
          for (;;) yield part;
        } finally {
          ended.resolve(signal);
        }
      }),
    );
    const stream = watch(client);
    stream.on('error', () => undefined);
    stream.once('data', () => stream.cancel());
    expect((await ended.promise).aborted).toBe(true);
  });
});
