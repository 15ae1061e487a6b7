// Names and levels: https://opentelemetry.io/docs/specs/semconv/
import { SpanStatusCode } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { createConsumer } from '../consumer/consumer.ts';
import { steps, within } from '../consumer/test-support.ts';
import { WalletService } from '../contracts/index.ts';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import { createProducer } from '../producer/producer.ts';
import { ServerCall, type Transport } from '../rpc/call.ts';
import { methodsOf } from '../rpc/methods.ts';
import { createRpcMiddleware } from '../rpc/middleware.ts';
import { defineRpcService } from '../rpc/port.ts';
import { createTestWorld } from '../testing/test-world.ts';
import { createSdk, type Sdk } from './test-support.ts';

interface Told {
  readonly attributes: readonly object[];
  readonly spans: readonly (readonly [status: SpanStatusCode, attributes: object])[];
}

async function told(sdk: Sdk, metric: string): Promise<Told> {
  const found = (await sdk.metrics()).find(({ name }) => name === metric);
  return {
    attributes: (found?.points ?? []).map((point) => (point as { attributes: object }).attributes),
    spans: sdk.spans().map(({ status, attributes }) => [status.code, attributes]),
  };
}

const failing = (code: ErrorCode): PaystreamError => new PaystreamError(code, 'no', { reason: `TEST_${code}` });
const request = { $typeName: 'paystream.wallet.v1.GetWalletRequest', merchantId: 'm1' } as never;
const method = 'paystream.wallet.v1.WalletService/GetWallet';

describe('an RPC', () => {
  async function call(transport: Transport, error?: PaystreamError): Promise<Told> {
    const sdk = createSdk();
    const service = defineRpcService(WalletService, {
      getWallet: async () => {
        if (error !== undefined) throw error;
        return {};
      },
      getTrialBalance: async () => ({}),
    });
    const [wrapped] = methodsOf(createRpcMiddleware({ telemetry: sdk.telemetry }).wrap(service));
    await Promise.resolve(wrapped?.run(request, new ServerCall(`/${method}`, undefined, () => undefined, transport))).catch(
      () => undefined,
    );
    return told(sdk, 'rpc.server.call.duration');
  }

  it.each<[Transport, ErrorCode, string]>([
    ['grpc', 'CANCELED', 'CANCELLED'],
    ['grpc', 'NOT_FOUND', 'NOT_FOUND'],
    ['connectrpc', 'CANCELED', 'canceled'],
    ['connectrpc', 'INVALID_ARGUMENT', 'invalid_argument'],
  ])('over %s that ended with %s is found as %s, which is no failure of the server', async (transport, code, name) => {
    const attributes = { 'rpc.system.name': transport, 'rpc.method': method, 'rpc.status_code': name };
    expect(await call(transport, failing(code))).toEqual({
      attributes: [attributes],
      spans: [[SpanStatusCode.UNSET, { ...attributes, 'paystream.reason': `TEST_${code}` }]],
    });
  });

  it.each<[Transport, ErrorCode, string]>([
    ['grpc', 'UNSUPPORTED', 'UNIMPLEMENTED'],
    ['grpc', 'UNAVAILABLE', 'UNAVAILABLE'],
    ['connectrpc', 'UNSUPPORTED', 'unimplemented'],
    ['connectrpc', 'INTERNAL', 'internal'],
  ])('over %s that ended with %s is found as failed with %s', async (transport, code, name) => {
    const attributes = { 'rpc.system.name': transport, 'rpc.method': method, 'rpc.status_code': name, 'error.type': name };
    expect(await call(transport, failing(code))).toEqual({
      attributes: [attributes],
      spans: [[SpanStatusCode.ERROR, { ...attributes, 'paystream.reason': `TEST_${code}` }]],
    });
  });

  it.each<Transport>(['grpc', 'connectrpc'])('over %s that was answered is found as OK', async (transport) => {
    const attributes = { 'rpc.system.name': transport, 'rpc.method': method, 'rpc.status_code': 'OK' };
    expect(await call(transport)).toEqual({ attributes: [attributes], spans: [[SpanStatusCode.UNSET, attributes]] });
  });
});

describe('a request to a route', () => {
  const target = { method: 'POST', route: '/api/v1/orders/:orderId', path: '/api/v1/orders/o-1' };
  const metric = { 'http.request.method': 'POST', 'http.route': target.route, 'url.scheme': 'http' };
  const span = { ...metric, 'url.path': target.path };

  async function answer(work: () => Promise<{ readonly status: number }>, gone = false): Promise<Told> {
    const sdk = createSdk();
    const call = new ServerCall(`POST ${target.route}`, undefined, () => undefined, target);
    if (gone) call.abort(new PaystreamError('CANCELED', 'gone', { reason: 'CLIENT_GONE' }));
    const middleware = createRpcMiddleware({ telemetry: sdk.telemetry });
    await middleware.run(call, work, { statusOf: ({ status }) => status }).catch(() => undefined);
    expect((await told(sdk, 'rpc.server.call.duration')).attributes).toEqual([]);
    return told(sdk, 'http.server.request.duration');
  }

  it('is no RPC, and found by its status', async () => {
    expect(await answer(async () => ({ status: 201 }))).toEqual({
      attributes: [{ ...metric, 'http.response.status_code': 201 }],
      spans: [[SpanStatusCode.UNSET, { ...span, 'http.response.status_code': 201 }]],
    });
  });

  it.each<[string, PaystreamError, number]>([
    ['was not found', failing('NOT_FOUND'), 404],
    ['was too large', new PaystreamError('RESOURCE_EXHAUSTED', 'no', { reason: 'REQUEST_TOO_LARGE' }), 413],
  ])('that %s is no failure of the server', async (_what, error, status) => {
    expect(await answer(() => Promise.reject(error))).toEqual({
      attributes: [{ ...metric, 'http.response.status_code': status }],
      spans: [[SpanStatusCode.UNSET, { ...span, 'http.response.status_code': status, 'paystream.reason': error.reason }]],
    });
  });

  it.each<[string, () => Promise<{ readonly status: number }>, object]>([
    ['thrown', () => Promise.reject(failing('UNAVAILABLE')), { 'paystream.reason': 'TEST_UNAVAILABLE' }],
    ['given', async () => ({ status: 503 }), {}],
  ])('whose handler has %s a failure is found as failed', async (_what, work, more) => {
    const attributes = { ...metric, 'http.response.status_code': 503, 'error.type': '503' };
    expect(await answer(work)).toEqual({ attributes: [attributes], spans: [[SpanStatusCode.ERROR, { ...span, ...attributes, ...more }]] });
  });

  it('whose client has gone has no status: nothing was sent', async () => {
    expect(await answer(async () => ({ status: 200 }), true)).toEqual({
      attributes: [metric],
      spans: [[SpanStatusCode.UNSET, { ...span, 'paystream.reason': 'CLIENT_GONE' }]],
    });
  });
});

describe('messages', () => {
  it('are found by operation and by what they failed with', async () => {
    const sdk = createSdk();
    await using world = await createTestWorld();
    const { telemetry } = sdk;
    await using _ = await createConsumer(world.broker, steps, {
      ...within(world),
      telemetry,
      handler: async ({ n }) => {
        if (n === 2) throw failing('INVALID_ARGUMENT');
      },
    });
    const refusing = {
      ...world.broker,
      createProducer: async () => ({
        ...(await world.broker.createProducer({ topic: 'steps' })),
        send: async () => Promise.reject(failing('UNAVAILABLE')),
      }),
    };
    const producer = await createProducer(world.broker, steps, { ...world, telemetry });
    const away = await createProducer(refusing, steps, { ...world, telemetry });
    await producer.send({ key: 'a', n: 1 });
    await producer.send({ key: 'b', n: 2 });
    await away.send({ key: 'c', n: 3 }).catch(() => undefined);
    await world.clock.settle();

    const common = { 'messaging.system.name': 'embedded', 'messaging.destination.name': 'steps' };
    const send = { ...common, 'messaging.operation.name': 'send', 'messaging.operation.type': 'send' };
    const process = { ...common, 'messaging.destination.subscription.name': 'test', 'messaging.operation.name': 'process' };
    expect((await told(sdk, 'messaging.client.operation.duration')).attributes).toEqual([
      send,
      { ...send, 'error.type': 'TEST_UNAVAILABLE' },
    ]);
    expect((await told(sdk, 'messaging.process.duration')).attributes).toEqual([
      process,
      { ...process, 'error.type': 'TEST_INVALID_ARGUMENT' },
    ]);
    const failed = sdk.spans().filter(({ status }) => status.code === SpanStatusCode.ERROR);
    expect(failed.map(({ name, attributes }) => [name, attributes['messaging.system.name'], attributes['error.type']]).sort()).toEqual([
      ['process steps', 'embedded', 'TEST_INVALID_ARGUMENT'],
      ['send steps', 'embedded', 'TEST_UNAVAILABLE'],
    ]);
  });
});
