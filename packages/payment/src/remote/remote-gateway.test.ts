import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createRouterTransport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { noTelemetry, type Telemetry } from '@paystream/core';
import { ChargeResponseSchema, type DeclineClass, GatewayService } from '@paystream/core/contracts';
import { apiKeys, hashApiKey } from '@paystream/core/rpc';
import { createRpcServer, type RpcServer } from '@paystream/core/server';
import { bindCases, createMemoryTelemetry, createSeededRandom, createVirtualClock } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import type { ChargeRequest, Gateway } from '../gateway/port.ts';
import { createSimulatedGateway, type SimulatedGateway, simulatedMethods } from '../simulated/index.ts';
import { type GatewaySubject, gatewayAbilityNames, gatewayCases } from '../testing/index.ts';
import { createRemoteGateway, gatewayRpcService } from './index.ts';

interface Subject extends GatewaySubject {
  readonly behind: SimulatedGateway;
  readonly server: RpcServer;
}

const keys = apiKeys([
  { id: 'processor', sha256: hashApiKey('operator-key'), merchants: 'all' },
  { id: 'shop', sha256: hashApiKey('shop-key'), merchants: ['m1'] },
]);

async function serve(gateway: Gateway, telemetry: Telemetry = noTelemetry): Promise<RpcServer> {
  return createRpcServer({
    services: [gatewayRpcService(gateway)],
    grpc: { port: 0 },
    http: false,
    authenticate: keys,
    telemetry,
    health: async () => ({ ready: true, components: [] }),
  });
}

function reach(server: RpcServer, key: string, telemetry?: Telemetry): Promise<Gateway> {
  const transport = createGrpcTransport({
    baseUrl: `http://${server.grpcAddress}`,
    interceptors: [
      (next) => (request) => {
        request.header.set('authorization', `Bearer ${key}`);
        return next(request);
      },
    ],
  });
  return createRemoteGateway({ transport, ...(telemetry && { telemetry }) });
}

async function open(): Promise<Subject> {
  const clock = createVirtualClock();
  const behind = await createSimulatedGateway({ clock, random: createSeededRandom(1) });
  const server = await serve(behind);
  const { approved, declined, timeoutAfterCharge } = simulatedMethods;
  return {
    ...{ behind, server, gateway: await reach(server, 'operator-key') },
    methods: { approved, declined, unanswered: timeoutAfterCharge },
    wait: clock.advance,
  };
}

async function close({ server, behind }: Subject): Promise<void> {
  await server.close(0);
  await behind.close();
}

const charge = (change: Partial<ChargeRequest> = {}): ChargeRequest => ({
  key: 'pay_1:charge:1',
  amount: { currency: 'EUR', units: 1_000n },
  paymentMethod: simulatedMethods.approved,
  paymentId: 'pay_1',
  orderId: 'o1',
  merchantId: 'm1',
  customerId: 'c1',
  signal: new AbortController().signal,
  ...change,
});

describe('a gateway in another process', () => {
  const abilities = gatewayAbilityNames({
    abilities: {
      ...{ idempotent: true, idempotencyWindowMs: 1, visibilityDelayMs: 0, lookup: true },
      ...{ refunds: 'partial', listCharges: true, capture: 'with-authorization' },
    },
  });
  for (const bound of bindCases(gatewayCases, {
    abilities: [...abilities, 'silence'],
    open,
    close: (subject) => close(subject as Subject),
  })) {
    it.skipIf(bound.skip !== undefined)(bound.name, () => bound.run());
  }

  it('can do what the one behind it can', async () => {
    await using behind = await createSimulatedGateway({
      abilities: { lookup: false, refunds: 'none', listCharges: false, idempotent: false, idempotencyWindowMs: 5, visibilityDelayMs: 7 },
    });
    await using server = await serve(behind);
    const gateway = await reach(server, 'operator-key');
    expect(gateway.name).toBe('simulated');
    expect(gateway.abilities).toEqual(behind.abilities);
    expect(gateway).not.toHaveProperty('lookup');
    expect(gateway).not.toHaveProperty('refund');
    expect(gateway).not.toHaveProperty('listCharges');
  });

  it('goes on with the trace of who calls', async () => {
    const [here, there] = [createMemoryTelemetry(), createMemoryTelemetry()];
    await using behind = await createSimulatedGateway();
    await using server = await serve(behind, there);
    const gateway = await reach(server, 'operator-key', here);
    const parent = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'shop=1' };
    const request = charge();
    const { signal } = request;
    const span = here.startSpan('charge simulated', { kind: 'client', parent });
    await span.run(async () => {
      const { gatewayId = '' } = await gateway.charge(request);
      await gateway.lookup?.(request.key, signal);
      await gateway.refund?.({ key: 'r', chargeKey: request.key, gatewayId, amount: request.amount, signal });
      for await (const page of gateway.listCharges?.({ startMs: 0, endMs: 1 }) ?? []) expect(page).toEqual([]);
    });
    await gateway.lookup?.(request.key, signal);
    const traced = there.spans.map(({ name, traceparent, tracestate = 'none' }) => [
      name.split('/')[1],
      traceparent.slice(3, 35),
      tracestate,
    ]);
    const its = ['0af7651916cd43dd8448eb211c80319c', 'shop=1'];
    expect(traced.slice(1)).toEqual([
      ['Charge', ...its],
      ['LookUpCharge', ...its],
      ['RefundCharge', ...its],
      ['ListCharges', ...its],
      ['LookUpCharge', expect.stringMatching(/^0{16}/), 'none'],
    ]);
  });

  it('charges for nobody but operators', async () => {
    const subject = await open();
    await expect(reach(subject.server, 'shop-key')).rejects.toMatchObject({ code: 'PERMISSION_DENIED', reason: 'OPERATORS_ONLY' });
    await expect(reach(subject.server, 'no-key')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await close(subject);
  });

  it('leaves the outcome unknown when its process dies under a call, and finds the charge afterwards', async () => {
    const subject = await open();
    const request = charge({ paymentMethod: simulatedMethods.timeoutAfterCharge });
    const call = subject.gateway.charge(request);
    const settled = expect(call).rejects.toMatchObject({ code: expect.stringMatching(/UNAVAILABLE|CANCELED/) });
    await expect.poll(async () => (await subject.behind.summary()).charges).toBe(1);
    await subject.server.close(0);
    await settled;
    await using again = await serve(subject.behind);
    const gateway = await reach(again, 'operator-key');
    expect(await gateway.lookup?.(request.key, request.signal)).toMatchObject({ outcome: 'approved' });
    await subject.behind.close();
  });

  it('says that a process which is not there is not there', async () => {
    const transport = createGrpcTransport({ baseUrl: 'http://127.0.0.1:1' });
    await expect(createRemoteGateway({ transport })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('takes no unclear answer for a clear one', async () => {
    let answer = create(ChargeResponseSchema, {});
    const transport = createRouterTransport(({ service }) => {
      service(GatewayService, {
        getAbilities: async () => ({ name: 'odd', lookup: true }),
        charge: async () => answer,
        lookUpCharge: async () => ({}),
        refundCharge: async () => {
          throw new ConnectError('no', Code.Unimplemented);
        },
      });
    });
    const gateway = await createRemoteGateway({ transport });
    expect(gateway.abilities).toMatchObject({ refunds: 'none', idempotent: false });
    await expect(gateway.charge(charge())).rejects.toMatchObject({ reason: 'UNCLEAR_ANSWER' });
    await expect(gateway.lookup?.('k', charge().signal)).rejects.toMatchObject({ reason: 'UNCLEAR_ANSWER' });
    answer = create(ChargeResponseSchema, { outcome: { case: 'approved', value: {} } });
    await expect(gateway.charge(charge())).rejects.toMatchObject({ reason: 'UNCLEAR_ANSWER' });
    answer = create(ChargeResponseSchema, { outcome: { case: 'declined', value: { code: 'do_not_honor', retry: 99 as DeclineClass } } });
    expect(await gateway.charge(charge())).toEqual({ outcome: 'declined', code: 'do_not_honor', retry: 'never' });
  });
});
