import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { promisify } from 'node:util';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { serve } from '@hono/node-server';
import { createEmbeddedBroker } from '@paystream/core/embedded';
import { createOrderClient } from '@paystream/order/client';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { addOrders as addToGrpc } from '../grpc-server/guest.ts';
import { addOrders as addToExpress } from '../http-app/express.ts';
import { addOrders as addToFastify } from '../http-app/fastify.ts';
import { addOrders as addToHono } from '../http-app/hono.ts';
import { type Orders, order } from '../orders.ts';
import { logToTopic } from '../pino-logger/guest.ts';

interface Host {
  readonly orders: Orders;
  readonly baseUrl: string;
  close(): Promise<unknown>;
}

async function inFastify(): Promise<Host> {
  const app = fastify();
  app.get('/own', async () => 'mine');
  const orders = await addToFastify(app);
  return { orders, baseUrl: await app.listen({ host: '127.0.0.1', port: 0 }), close: () => app.close() };
}

async function inExpress(): Promise<Host> {
  const app = express();
  app.get('/own', (_request, response) => void response.send('mine'));
  const orders = await addToExpress(app);
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  return { orders, baseUrl: `http://127.0.0.1:${port}`, close: () => promisify(server.close.bind(server))() };
}

async function inHono(): Promise<Host> {
  const app = new Hono();
  app.get('/own', (context) => context.text('mine'));
  const orders = await addToHono(app);
  const { server, port } = await new Promise<{ server: ReturnType<typeof serve>; port: number }>((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, (info) => resolve({ server, port: info.port }));
  });
  return { orders, baseUrl: `http://127.0.0.1:${port}`, close: () => promisify(server.close.bind(server))() };
}

describe.each([
  ['Fastify', inFastify],
  ['Express', inExpress],
  ['Hono', inHono],
] as const)('an order service in the %s app of somebody else', (_name, host) => {
  it('takes an order, and leaves the app serving when it is closed', async () => {
    const { orders, baseUrl, close } = await host();
    const client = createOrderClient({ baseUrl, protocol: 'connect' });
    expect((await client.createOrder(order)).items[0]?.name).toBe('Green tea');
    await client.close();
    await orders.close();
    expect(await (await fetch(`${baseUrl}/own`)).text()).toBe('mine');
    await close();
  });
});

it('an order service in the gRPC server of somebody else takes an order, and leaves the server serving when it is closed', async () => {
  const server = new Server();
  const bytes = (value: Buffer): Buffer => value;
  const own = {
    path: '/shop.Own/Echo',
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  } as const;
  server.addService({ echo: own }, { echo: (call: { request: Buffer }, done: (e: null, v: Buffer) => void) => done(null, call.request) });
  const orders = await addToGrpc(server);
  const port = await promisify(server.bindAsync.bind(server))('127.0.0.1:0', ServerCredentials.createInsecure());
  const client = createOrderClient({ baseUrl: `http://127.0.0.1:${port}` });
  expect((await client.createOrder(order)).items[0]?.name).toBe('Green tea');
  await client.close();
  await orders.close();

  const bare = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
    bare.makeUnaryRequest(own.path, bytes, bytes, Buffer.from('mine'), (error, value) => (error ? reject(error) : resolve(value)));
  });
  expect(answer?.toString()).toBe('mine');
  bare.close();
  await promisify(server.tryShutdown.bind(server))();
});

it('the stream of somebody else’s pino gets every line, also after the topic was closed', async () => {
  const lines: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push((JSON.parse(String(chunk)) as { readonly msg: string }).msg);
      done();
    },
  });
  const broker = await createEmbeddedBroker();
  const { log, close } = logToTopic(broker, stream);
  log.info('first');
  await close();
  log.info('second');
  expect(lines).toEqual(['first', 'second']);
  expect([stream.writableEnded, stream.destroyed]).toEqual([false, false]);
  const subscription = await broker.subscribe({ topic: 'order-logs-topic', subscription: 's', initialPosition: 'earliest' });
  expect(await subscription.receive(10)).toHaveLength(1);
  await subscription.close();
  await broker.close();
});
