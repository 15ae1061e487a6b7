import { describe, expect, it } from 'vitest';
import { OrderService, WalletService } from '../contracts/index.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import { createMemoryTelemetry } from '../testing/memory-telemetry.ts';
import { createVirtualClock } from '../testing/virtual-clock.ts';
import { createRpcMiddleware, type RpcMiddlewareOptions, withRpcMiddleware } from './middleware.ts';
import { defineRpcService, type Principal, type RpcContext, type RpcImplementation } from './port.ts';
import { anonymous } from './principal.ts';

type Wallets = RpcImplementation<typeof WalletService>;

function contextOf(overrides: Partial<RpcContext> = {}): RpcContext {
  return {
    method: '/paystream.wallet.v1.WalletService/GetWallet',
    signal: new AbortController().signal,
    deadlineMs: undefined,
    header: () => undefined,
    principal: anonymous,
    traceparent: undefined,
    ...overrides,
  };
}

function serve(getWallet: Wallets['getWallet'], options: RpcMiddlewareOptions = {}) {
  const middleware = createRpcMiddleware(options);
  const service = defineRpcService(WalletService, { getWallet, getTrialBalance: async () => ({}) });
  const wrapped = middleware.wrap(service).implementation as never as Wallets;
  const call = (context: Partial<RpcContext> = {}, merchantId = 'm1') =>
    Promise.resolve(wrapped.getWallet({ $typeName: 'paystream.wallet.v1.GetWalletRequest', merchantId }, contextOf(context)));
  return { middleware, call };
}

const never = (): Promise<never> => new Promise(() => undefined);
const untilAborted = (_request: unknown, { signal }: RpcContext): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
const failure = (promise: Promise<unknown>): Promise<PaystreamError> =>
  promise.then(
    () => {
      throw new Error('it should have failed');
    },
    (error: PaystreamError) => error,
  );

describe('limits', () => {
  it('sheds calls beyond the limit at once, and takes them again when others end', async () => {
    const gate = Promise.withResolvers<object>();
    const { call, middleware } = serve(() => gate.promise, { limits: { maxConcurrent: 2 } });
    const running = [call(), call()];
    const error = await failure(call());
    expect(error).toMatchObject({ code: 'RESOURCE_EXHAUSTED', reason: 'TOO_MANY_CALLS', retryable: true, details: { limit: '2' } });
    expect(Number(error.details['retryAfterMs'])).toBeGreaterThan(0);
    expect(middleware.running).toBe(2);
    gate.resolve({});
    await Promise.all(running);
    expect(middleware.running).toBe(0);
    await call();
  });

  it('counts a call whose client has gone for as long as its handler works', async () => {
    const gate = Promise.withResolvers<object>();
    const leaving = new AbortController();
    const { call, middleware } = serve(() => gate.promise);
    const gone = failure(call({ signal: leaving.signal }));
    leaving.abort();
    expect((await gone).code).toBe('CANCELED');
    expect(middleware.running).toBe(1);
    gate.resolve({});
    await expect.poll(() => middleware.running).toBe(0);
  });
});

describe('authentication', () => {
  const shop: Principal = { id: 'shop', merchants: new Set(['m1']) };

  it('comes before validation, so that strangers learn nothing of the rules', async () => {
    const refusal = new Error('who are you?');
    const { call } = serve(async () => ({}), { authenticate: () => Promise.reject(refusal) });
    await expect(call({}, '')).rejects.toBe(refusal);
  });

  it.each([() => shop, async () => shop])('gives the handler its caller (%s)', async (authenticate) => {
    let caller: Principal | undefined;
    const { call } = serve(
      async (_request, { principal }) => {
        caller = principal;
        return {};
      },
      { authenticate },
    );
    await call();
    expect(caller).toBe(shop);
  });
});

describe('deadlines', () => {
  it.each([
    ['without one of its own, the default', undefined, { defaultMs: 500, maxMs: 2_000 }, 500],
    ['without one of its own, the maximum', undefined, { maxMs: 2_000 }, 2_000],
    ['that would wait too long, the maximum', 60_000, { defaultMs: 500, maxMs: 2_000 }, 2_000],
  ])('give a client %s', async (_what, clientMs, deadline, expectedMs) => {
    const clock = createVirtualClock();
    let aborted: unknown;
    const { call } = serve(
      (request, context) => {
        context.signal.addEventListener('abort', () => {
          aborted = context.signal.reason;
        });
        return untilAborted(request, context);
      },
      { clock, deadline },
    );
    const ended = failure(call(clientMs === undefined ? {} : { deadlineMs: clock.now() + clientMs }));
    await clock.advance(expectedMs - 1);
    expect(aborted).toBeUndefined();
    await clock.advance(1);
    expect(aborted).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(await ended).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      reason: 'SERVER_DEADLINE_PASSED',
      details: { limitMs: String(expectedMs) },
    });
  });

  it('end a call whose handler listens to no signal', async () => {
    const clock = createVirtualClock();
    const { call } = serve(never, { clock, deadline: { defaultMs: 100 } });
    const ended = failure(call());
    await clock.advance(100);
    expect((await ended).code).toBe('DEADLINE_EXCEEDED');
  });

  it('leave no timer behind', async () => {
    const clock = createVirtualClock();
    const { call } = serve(async () => ({}), { clock, deadline: { defaultMs: 100 } });
    await call();
    expect(clock.pendingTimers).toBe(0);
  });
});

describe('validation', () => {
  it('can be left to the implementation', async () => {
    const { call } = serve(async () => ({}), { validate: false });
    await expect(call({}, '')).resolves.toEqual({});
  });
});

describe('telemetry', () => {
  it('measures each call by method and code, and hands its trace on', async () => {
    const telemetry = createMemoryTelemetry();
    const clock = createVirtualClock();
    const lines: object[] = [];
    const ignore = (): void => undefined;
    let handed: string | undefined;
    const { call } = serve(
      async ({ merchantId }, { traceparent }) => {
        handed = traceparent;
        await clock.sleep(250);
        if (merchantId === 'bad') throw new TypeError('bug');
        return {};
      },
      { telemetry, clock, logger: { debug: (fields) => lines.push(fields), info: ignore, warn: ignore, error: ignore } },
    );
    const method = '/paystream.wallet.v1.WalletService/GetWallet';
    const calls = Promise.allSettled([
      call({ header: (name) => (name === 'traceparent' ? '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' : undefined) }),
      call({}, 'bad'),
      call({}, ''),
    ]);
    await clock.advance(250);
    await calls;
    expect(telemetry.observations('paystream_rpc_seconds', { method, code: 'OK' })).toEqual([0.25]);
    expect(telemetry.observations('paystream_rpc_seconds', { method, code: 'INTERNAL' })).toEqual([0.25]);
    expect(telemetry.observations('paystream_rpc_seconds', { method, code: 'INVALID_ARGUMENT' })).toEqual([0]);
    expect(telemetry.spans.every(({ ended }) => ended)).toBe(true);
    expect(telemetry.spans[0]?.traceparent).toContain('0af7651916cd43dd8448eb211c80319c');
    expect(handed).toBeDefined();
    expect(lines).toContainEqual(expect.objectContaining({ method, code: 'OK', ms: 250, principal: 'anonymous' }));
  });
});

describe('a stream', () => {
  const orderService = (watchOrder: RpcImplementation<typeof OrderService>['watchOrder']) => {
    const rest = async (): Promise<never> => never();
    return defineRpcService(OrderService, {
      createOrder: rest,
      getOrder: rest,
      listOrders: rest,
      waitOrder: rest,
      cancelOrder: rest,
      watchOrder,
    });
  };
  const watch = (wrapped: ReturnType<typeof withRpcMiddleware>, context: Partial<RpcContext> = {}) =>
    (wrapped.implementation as RpcImplementation<typeof OrderService>).watchOrder(
      { $typeName: 'paystream.order.v1.WatchOrderRequest', orderId: 'o', merchantId: 'm', afterVersion: 0n },
      contextOf(context),
    );

  it('has a limit of its own and gives its place back when its reader leaves', async () => {
    const service = withRpcMiddleware(
      orderService(async function* () {
        yield {};
        yield {};
      }),
      { limits: { maxStreams: 1 } },
    );
    const first = watch(service)[Symbol.asyncIterator]();
    await first.next();
    await expect(watch(service)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ reason: 'TOO_MANY_CALLS' });
    await first.return?.();
    await expect(watch(service)[Symbol.asyncIterator]().next()).resolves.toMatchObject({ done: false });
  });

  it('ends with UNAVAILABLE when the server stops, though its source waits for ever', async () => {
    const middleware = createRpcMiddleware();
    const service = middleware.wrap(
      orderService(async function* () {
        yield {};
        await never();
      }),
    );
    const items = watch(service)[Symbol.asyncIterator]();
    await items.next();
    const next = failure(items.next());
    middleware.stop();
    expect(await next).toMatchObject({ code: 'UNAVAILABLE', reason: 'SERVER_STOPS' });
  });

  it('keeps its span current for its handler, from the first message to the clean-up', async () => {
    const telemetry = createMemoryTelemetry();
    const currents: (string | undefined)[] = [];
    const look = (): void => void currents.push(telemetry.current()?.traceparent);
    const service = withRpcMiddleware(
      orderService(async function* () {
        try {
          look();
          yield {};
          await Promise.resolve();
          look();
          yield {};
        } finally {
          await Promise.resolve();
          look();
        }
      }),
      { telemetry },
    );
    const items = watch(service)[Symbol.asyncIterator]();
    await items.next();
    await telemetry.startSpan('of somebody else').run(() => items.next());
    await items.return?.();
    const [span] = telemetry.spans;
    expect(currents).toEqual(Array(3).fill(span?.traceparent));
    expect(span).toMatchObject({ name: 'paystream.wallet.v1.WalletService/GetWallet', ended: true });
    expect(telemetry.current()).toBeUndefined();
  });

  it('is not opened for a request that breaks a rule', async () => {
    const service = withRpcMiddleware(
      orderService(async function* () {
        yield {};
      }),
    );
    const wrapped = service.implementation as RpcImplementation<typeof OrderService>;
    const bad = { $typeName: 'paystream.order.v1.WatchOrderRequest' as const, orderId: '', merchantId: 'm', afterVersion: -1n };
    const error = await failure(Promise.resolve(wrapped.watchOrder(bad, contextOf())[Symbol.asyncIterator]().next()));
    expect(error.violations.map(({ field }) => field)).toEqual(['order_id', 'after_version']);
  });
});

it('refuses to wrap what lacks a method, at once and by name', () => {
  const service = defineRpcService(WalletService, { getWallet: never } as never);
  expect(() => withRpcMiddleware(service)).toThrow(expect.objectContaining({ reason: 'RPC_METHOD_MISSING' }));
});
