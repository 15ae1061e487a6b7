import { DiscrepancyKind } from '@paystream/core/contracts';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PaymentProcessor } from '../processor/port.ts';
import { createPaymentProcessor } from '../processor/processor.ts';
import { paymentRpcService } from '../processor/rpc.ts';
import { type Counterpart, createCounterpart } from '../processor/test-support.ts';
import { createSimulatedGateway, type SimulatedGateway } from '../simulated/index.ts';
import { walletRpcService } from '../wallet/index.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;

beforeEach(async () => {
  world = await createTestWorld();
  const { clock, random, broker, database } = world;
  other = await createCounterpart(broker, clock);
  gateway = await createSimulatedGateway({ clock, random });
  processor = await createPaymentProcessor({ database, broker, gateway, clock, random });
  await other.place({ orderId: 'o1' }, { orderId: 'o2', units: 500n, currency: 'USD' }, { orderId: 'o3', method: 'pm_card_declined' });
  await clock.settle();
});
afterEach(async () => {
  const closed = Promise.all([processor.close(), other.close()]);
  await world.advance({ seconds: 30 });
  await closed;
  await gateway.close();
  await world[Symbol.asyncDispose]();
});

const charge = (key: string, paymentId: string, units: bigint) =>
  gateway.charge({
    key,
    paymentId,
    amount: { currency: 'EUR', units },
    paymentMethod: 'pm_card_visa',
    orderId: 'x',
    merchantId: 'm1',
    customerId: 'c1',
    signal: new AbortController().signal,
  });
const run = (statement: string) => world.database.transaction((tx) => tx.execute(statement));

describe('reconciliation', () => {
  it('finds two books that agree to agree', async () => {
    expect(await processor.reconcile()).toMatchObject({
      charges: 2n,
      charged: [
        { currency: 'EUR', units: 1_000n },
        { currency: 'USD', units: 500n },
      ],
      chargedTwice: 0n,
      settled: 2n,
      open: 0n,
      discrepancies: [],
    });
  });

  it('finds a payment that was charged twice, and a charge that is not known here', async () => {
    await charge('pay_o1:charge:2', 'pay_o1', 1_000n);
    await charge('by-hand', '', 77n);
    const result = await processor.reconcile();
    expect(result.chargedTwice).toBe(1n);
    expect(result.discrepancies.map(({ kind, gatewayKey }) => [kind, gatewayKey])).toEqual([
      [DiscrepancyKind.MISSING_HERE, 'by-hand'],
      [DiscrepancyKind.MISSING_HERE, 'pay_o1:charge:2'],
    ]);
  });

  it('finds what the gateway does not know, another amount, another state, and a refund that is not stored here', async () => {
    const { tables } = world.database;
    await run(`UPDATE ${tables('payments')} SET units = 999 WHERE order_id = 'o1'`);
    await run(`UPDATE ${tables('payment_attempts')} SET status = 'DECLINED' WHERE order_id = 'o2'`);
    await run(`UPDATE ${tables('payment_attempts')} SET status = 'APPROVED', gateway_key = 'pay_o3:charge:1' WHERE order_id = 'o3'`);
    const found = (await processor.reconcile()).discrepancies;
    expect(found.map(({ kind, paymentId }) => [kind, paymentId])).toEqual([
      [DiscrepancyKind.AMOUNT, 'pay_o1'],
      [DiscrepancyKind.STATE, 'pay_o2'],
      [DiscrepancyKind.MISSING_AT_GATEWAY, 'pay_o3'],
    ]);
    const refund = { key: 'r', chargeKey: 'pay_o1:charge:1', gatewayId: 'ch_pay_o1:charge:1', amount: { currency: 'EUR', units: 5n } };
    await gateway.refund({ ...refund, signal: new AbortController().signal });
    const again = (await processor.reconcile()).discrepancies;
    expect(again.filter(({ paymentId }) => paymentId === 'pay_o1').map(({ kind }) => kind)).toEqual([
      DiscrepancyKind.AMOUNT,
      DiscrepancyKind.STATE,
    ]);
  });

  it('looks at the period that it is asked about only', async () => {
    const startMs = world.clock.now();
    await world.advance({ minutes: 1 });
    await other.place({ orderId: 'o4' });
    await world.clock.settle();
    expect(await processor.reconcile({ startMs: startMs + 1_000 })).toMatchObject({ charges: 1n, discrepancies: [] });
    expect(await processor.reconcile({ endMs: startMs + 1_000 })).toMatchObject({ charges: 2n, discrepancies: [] });
  });
});

describe('the payment and wallet services', () => {
  const call = (service: ReturnType<typeof paymentRpcService>, method: string, request: object, merchants: 'all' | ReadonlySet<string>) =>
    (service.implementation as unknown as Record<string, (request: object, context: object) => Promise<Record<string, unknown>>>)[method]?.(
      request,
      { principal: { id: 'shop', merchants } },
    );

  it('show a payment to its own merchant only', async () => {
    const service = paymentRpcService(processor);
    const asked = { orderId: 'o1', merchantId: 'm1' };
    expect(await call(service, 'getPayment', asked, new Set(['m1']))).toMatchObject({
      payment: { orderId: 'o1', attempts: [{ number: 1 }] },
    });
    await expect(call(service, 'getPayment', asked, new Set(['m2']))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(call(service, 'getPayment', { ...asked, merchantId: 'm2' }, 'all')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(call(service, 'getPayment', { ...asked, orderId: 'o9' }, 'all')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('let operators only add up and compare the books of all merchants', async () => {
    const service = paymentRpcService(processor);
    expect(await call(service, 'reconcile', {}, 'all')).toMatchObject({ charges: 2n });
    await expect(call(service, 'reconcile', {}, new Set(['m1']))).rejects.toMatchObject({ reason: 'OPERATORS_ONLY' });
    const wallet = walletRpcService({
      getWallet: async () => [],
      trialBalance: async () => ({ sums: [{ currency: 'EUR', units: 0n }], transfers: 2, unbalanced: [], unchecked: ['m1/EUR'] }),
    });
    expect(await call(wallet, 'getTrialBalance', {}, 'all')).toMatchObject({
      transfers: 2n,
      unbalancedAccounts: [],
      uncheckedAccounts: ['m1/EUR'],
    });
    await expect(call(wallet, 'getTrialBalance', {}, new Set(['m1']))).rejects.toMatchObject({ reason: 'OPERATORS_ONLY' });
    await expect(call(wallet, 'getWallet', { merchantId: 'm2' }, new Set(['m1']))).rejects.toMatchObject({ reason: 'MERCHANT_FORBIDDEN' });
  });
});
