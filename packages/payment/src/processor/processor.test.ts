import { consumerProperties } from '@paystream/core';
import { AttemptState, PaymentState } from '@paystream/core/contracts';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChargeAnswer, ChargeRequest, RefundAnswer } from '../gateway/port.ts';
import type { PaymentPolicy } from '../payment/policy.ts';
import { createSimulatedGateway, type SimulatedGateway, type SimulatedGatewayOptions, simulatedMethods } from '../simulated/index.ts';
import { paymentMigrations } from '../store/migrations.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, cancelEvent, createCounterpart, spoilRows } from './test-support.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;

async function start(options: SimulatedGatewayOptions = {}, policy: Partial<PaymentPolicy> = {}, database = world.database): Promise<void> {
  const { clock, random, broker, telemetry } = world;
  gateway = await createSimulatedGateway({ clock, random, ...options });
  processor = await createPaymentProcessor({ database, broker, gateway, policy, clock, random, telemetry });
}

beforeEach(async () => {
  world = await createTestWorld();
  other = await createCounterpart(world.broker, world.clock);
});
afterEach(async () => {
  const closed = Promise.all([processor.close(), other.close()]);
  await world.advance({ seconds: 30 });
  await closed;
  await gateway.close();
  await world[Symbol.asyncDispose]();
});

describe('payment processor', () => {
  it('changes no schema that it is only to check, that of its own outbox among it', async () => {
    await start();
    await using fresh = await createTestWorld();
    const { database, broker, clock, random } = fresh;
    await database.migrate(paymentMigrations);
    const options = { database, broker, gateway, clock, random, migrations: 'check' } as const;
    await expect(createPaymentProcessor(options)).rejects.toMatchObject({ reason: 'SCHEMA_OUT_OF_DATE' });
    await expect(database.query(`SELECT epoch FROM ${database.tables('outbox_epochs')}`)).rejects.toThrow();
  });

  it('charges an order once and tells everybody', async () => {
    await start();
    await other.place({ orderId: 'o1', units: 1_999n });
    await world.clock.settle();
    expect(other.outcomes('o1')).toEqual(['settled']);
    const [decision] = other.decisions;
    expect(decision).toMatchObject({ paymentId: 'pay_o1', merchantId: 'm1', state: PaymentState.SETTLED, version: 2n });
    expect(decision?.outcome.value).toMatchObject({
      operationId: 'pay_o1:charge:1',
      captured: { currency: 'EUR', units: 1_999n },
      attempt: 1,
    });
    expect(other.logs.map((entry) => entry.event)).toEqual(['payment.attempt.started', 'payment.settled']);
    expect(await gateway.summary()).toEqual({ charges: 1, standing: 1, declines: 0, chargedTwice: [] });
    const payment = await processor.getPayment('o1');
    expect(payment).toMatchObject({ state: PaymentState.SETTLED, attempts: [{ number: 1, state: AttemptState.APPROVED }] });
    expect(processor.inFlight).toBe(0);
  });

  it('charges once however often the order comes', async () => {
    await start();
    await other.place({ orderId: 'o1' }, { orderId: 'o1' }, { orderId: 'o2' }, { orderId: 'o1' });
    await world.clock.settle();
    await other.place({ orderId: 'o1' });
    await world.clock.settle();
    expect((await gateway.summary()).charges).toBe(2);
    expect(other.outcomes('o1')).toEqual(['settled']);
    expect(processor.inFlight).toBe(0);
  });

  it('declines for good what must not be tried again, at once', async () => {
    await start();
    await other.place({ orderId: 'o1', method: simulatedMethods.declined }, { orderId: 'o2', method: simulatedMethods.expired });
    await world.clock.settle();
    expect(other.decisions.map(({ orderId, outcome }) => [orderId, outcome.case, outcome.value])).toMatchObject([
      ['o1', 'declined', { code: 'card_declined', attempts: 1 }],
      ['o2', 'declined', { code: 'expired_card', attempts: 1 }],
    ]);
    expect((await gateway.summary()).charges).toBe(0);
  });

  it('tries three times, 30 seconds apart, what may succeed later', async () => {
    await start();
    const startMs = world.clock.now();
    await other.place({ orderId: 'o1', method: simulatedMethods.insufficientFunds });
    await world.advance({ minutes: 5 });
    const payment = await processor.getPayment('o1');
    const startedAt = payment?.attempts.map((attempt) => Number(attempt.createTime?.seconds ?? 0n) - startMs / 1_000);
    expect(startedAt).toEqual([0, 30, 60]);
    expect(world.telemetry.counter('paystream_payment_due_total', { kind: 'payment' })).toBe(2);
    expect(payment?.attempts.map((attempt) => attempt.gatewayKey)).toEqual(['pay_o1:charge:1', 'pay_o1:charge:2', 'pay_o1:charge:3']);
    expect(other.decisions[0]?.outcome).toMatchObject({ case: 'declined', value: { code: 'insufficient_funds', attempts: 3 } });
    expect(other.outcomes('o1')).toEqual(['declined']);
  });

  it('settles with the attempt that succeeds after a decline', async () => {
    await start();
    await other.place({ orderId: 'o1', method: simulatedMethods.declineThenApprove });
    await world.advance({ seconds: 29 });
    expect(other.outcomes('o1')).toEqual([]);
    await world.advance({ seconds: 2 });
    expect(other.decisions[0]?.outcome).toMatchObject({ case: 'settled', value: { attempt: 2, operationId: 'pay_o1:charge:2' } });
    expect((await gateway.summary()).chargedTwice).toEqual([]);
  });

  it('expires an order that waited for too long, without charging it', async () => {
    await start();
    await other.place({ orderId: 'o1', placedAtMs: world.clock.now() - 120_000 });
    await world.clock.settle();
    expect(other.outcomes('o1')).toEqual(['expired']);
    expect(await gateway.summary()).toMatchObject({ charges: 0, declines: 0 });
  });

  it('expires an order whose time is up between two attempts', async () => {
    await start({}, { attempts: 10 });
    const startMs = world.clock.now();
    await other.place({ orderId: 'o1', method: simulatedMethods.insufficientFunds });
    await world.runUntil(() => other.outcomes('o1').length > 0);
    expect(other.outcomes('o1')).toEqual(['expired']);
    expect(world.clock.now() - startMs).toBe(120_000);
    expect((await processor.getPayment('o1'))?.attempts).toHaveLength(4);
  });

  it('finds a charge whose answer was lost, and settles it without charging again', async () => {
    await start({ abilities: { visibilityDelayMs: 3_000 } });
    await other.place({ orderId: 'o1', method: simulatedMethods.timeoutAfterCharge });
    await world.advance({ seconds: 12 });
    expect(other.outcomes('o1')).toEqual(['settled']);
    expect(await gateway.summary()).toEqual({ charges: 1, standing: 1, declines: 0, chargedTwice: [] });
    expect(other.logs.map((entry) => entry.event)).toEqual(['payment.attempt.started', 'payment.attempt.unknown', 'payment.settled']);
  });

  it('sends a charge that never arrived again, with the same key', async () => {
    await start();
    await other.place({ orderId: 'o1', method: simulatedMethods.timeoutBeforeCharge });
    await world.advance({ seconds: 12 });
    expect(other.outcomes('o1')).toEqual(['settled']);
    expect((await processor.getPayment('o1'))?.attempts.map((attempt) => attempt.gatewayKey)).toEqual(['pay_o1:charge:1']);
    expect(other.logs.map((entry) => entry.event)).toContain('payment.attempt.resent');
    expect((await gateway.summary()).charges).toBe(1);
  });

  it('charges within half a minute what a gateway that was away for a minute left open', async () => {
    await start({ down: true });
    await other.place({ orderId: 'o1' }, { orderId: 'o2' });
    await world.advance({ minutes: 1 });
    expect(other.decisions).toEqual([]);
    gateway.configure({ down: false });
    await world.advance({ seconds: 30 });
    expect([other.outcomes('o1'), other.outcomes('o2')]).toEqual([['settled'], ['settled']]);
    expect(await gateway.summary()).toMatchObject({ charges: 2, chargedTwice: [] });
  });

  it.each([6, 20])('decides within half a minute what a gateway that was away for %d minutes left open', async (minutes) => {
    await start({ down: true });
    await other.place({ orderId: 'o1' });
    await world.advance({ minutes });
    expect(other.decisions).toEqual([]);
    gateway.configure({ down: false });
    await world.advance({ seconds: 30 });
    expect(other.outcomes('o1')).toEqual(['expired']);
    expect((await gateway.summary()).charges).toBe(0);
  });

  it('closes no order, expired or not, while the gateway may still come to know its charge', async () => {
    await start({ behaviours: { 'time-out-after-charging': 1 }, abilities: { visibilityDelayMs: 400_000 } });
    await other.place({ orderId: 'o1', method: 'pm_x' });
    // Visible only long after the order has expired; until then "not found" proves nothing, and nothing is closed.
    await world.advance({ minutes: 6 });
    expect(other.outcomes('o1')).toEqual([]);
    await world.advance({ minutes: 2 });
    expect(other.outcomes('o1')).toEqual(['settled']);
    expect((await gateway.summary()).standing).toBe(1);
  });

  it('gives back a charge that turns up after the order was closed, and says so', async () => {
    await start({ abilities: { visibilityDelayMs: 1_000 } });
    const lookup = gateway.lookup.bind(gateway);
    // The gateway breaks its promise: it shows the charge later than it said.
    gateway.lookup = async (key, signal) => (world.clock.now() < hideUntilMs ? 'not-found' : lookup(key, signal));
    const hideUntilMs = world.clock.now() + 200_000;
    const charge = gateway.charge.bind(gateway);
    let calls = 0;
    gateway.charge = async (request) => {
      calls += 1;
      if (calls === 1) return charge(request);
      throw new Error('503');
    };
    await other.place({ orderId: 'o1', method: simulatedMethods.timeoutAfterCharge });
    await world.advance({ seconds: 150 });
    expect(other.outcomes('o1')).toEqual(['expired']);
    await world.advance({ minutes: 70 });
    expect(other.outcomes('o1')).toEqual(['expired', 'lateChargeReversed']);
    expect(other.decisions[1]).toMatchObject({ state: PaymentState.EXPIRED, outcome: { value: { amount: { units: 1_000n } } } });
    expect(await gateway.summary()).toMatchObject({ charges: 1, standing: 0 });
    expect((await processor.reconcile()).discrepancies).toEqual([]);
  });

  it('parks what a gateway without look-up and idempotency leaves open, and counts it', async () => {
    await start({ abilities: { lookup: false, idempotent: false } });
    await other.place({ orderId: 'o1', method: simulatedMethods.errorAfterCharge });
    await world.advance({ hours: 1 });
    expect(other.outcomes('o1')).toEqual(['parked']);
    expect(world.telemetry.counter('paystream_payment_decisions_total', { decision: 'parked' })).toBe(1);
    expect((await gateway.summary()).charges).toBe(1);
  });

  it('gets the answer of an idempotent gateway without look-up by sending the same key again', async () => {
    await start({ abilities: { lookup: false } });
    await other.place({ orderId: 'o1', method: simulatedMethods.errorAfterCharge });
    await world.advance({ seconds: 2 });
    expect(other.outcomes('o1')).toEqual(['settled']);
    expect((await gateway.summary()).charges).toBe(1);
  });

  it('takes an answer that comes after the time was up', async () => {
    await start();
    const charge = gateway.charge.bind(gateway);
    gateway.charge = async (request) => {
      const answer = await charge({ ...request, signal: new AbortController().signal });
      await world.clock.sleep(10_500);
      return answer;
    };
    gateway.lookup = async () => 'pending';
    await other.place({ orderId: 'o1' });
    await world.advance({ seconds: 10, ms: 400 });
    expect((await processor.getPayment('o1'))?.attempts[0]?.state).toBe(AttemptState.UNKNOWN);
    await world.advance({ seconds: 1 });
    expect(other.outcomes('o1')).toEqual(['settled']);
  });

  it('keeps no more calls under way than it may, and leaves the rest in the topic', async () => {
    await start({ latencyMs: 2_000 }, { maxConcurrentCalls: 10 });
    await other.place(...Array.from({ length: 35 }, (_, index) => ({ orderId: `o${index}` })));
    await world.advance({ seconds: 1 });
    expect(processor.inFlight).toBe(10);
    await world.advance({ seconds: 20 });
    expect(other.decisions.filter((decision) => decision.outcome.case === 'settled')).toHaveLength(35);
    expect(processor.inFlight).toBe(0);
  });

  it('tells an operator how many payments call the gateway or wait to, and of none once all are settled', async () => {
    await start({ latencyMs: 2_000 }, { maxConcurrentCalls: 1 });
    const inFlight = () => world.telemetry.gaugeValue('paystream_payment_calls_in_flight', { gateway: 'simulated' });
    await other.place({ orderId: 'o1' }, { orderId: 'o2' });
    await world.advance({ seconds: 1 });
    expect(processor.inFlight).toBe(1);
    expect(inFlight()).toBe(2);
    await world.advance({ seconds: 2 });
    expect(inFlight()).toBe(1);
    await world.advance({ seconds: 2 });
    expect(other.decisions).toHaveLength(2);
    expect(inFlight()).toBe(0);
  });

  it('tells an operator of look-ups and further attempts as well, until they have ended', async () => {
    await start({ latencyMs: 2_000 });
    const inFlight = () => world.telemetry.gaugeValue('paystream_payment_calls_in_flight');
    await other.place({ orderId: 'o1', method: simulatedMethods.declineThenApprove });
    await world.advance({ seconds: 5 });
    expect(inFlight()).toBe(0);
    await world.advance({ seconds: 28 });
    expect(inFlight()).toBe(1);
    await world.advance({ seconds: 5 });
    expect(other.outcomes('o1')).toEqual(['settled']);
    expect(inFlight()).toBe(0);
  });

  it('has the counters that alarms rest on at 0 from the start, so that the first increase is one', async () => {
    const counted = new Map<string, number>();
    const { telemetry } = world;
    const count: typeof telemetry.count = (name, labels, by = 1) => {
      const series = [name, ...Object.values(labels)].join(' ');
      counted.set(series, (counted.get(series) ?? 0) + by);
    };
    world = { ...world, telemetry: { ...telemetry, count } };
    await start();
    const alarms = [
      'paystream_gateway_calls_total simulated charge unknown',
      'paystream_gateway_calls_total simulated lookup unknown',
      'paystream_gateway_calls_total simulated refund unknown',
      'paystream_gateway_calls_total simulated reverse unknown',
      'paystream_payment_alarms_total simulated',
      'paystream_payment_decisions_total parked',
      'paystream_payment_due_failures_total payment',
      'paystream_payment_due_failures_total refund',
    ];
    expect(alarms.map((series) => [series, counted.get(series)])).toEqual(alarms.map((series) => [series, 0]));
  });

  it('keeps no more look-ups under way than it may, however many payments a gateway that is away leaves open', async () => {
    await start({ down: true }, { maxConcurrentCalls: 10 });
    let underWay = 0;
    let most = 0;
    const lookup = gateway.lookup.bind(gateway);
    gateway.lookup = async (key, signal) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await world.clock.sleep(500);
      underWay -= 1;
      return lookup(key, signal);
    };
    await other.place(...Array.from({ length: 35 }, (_, index) => ({ orderId: `o${index}` })));
    await world.advance({ minutes: 1 });
    expect(most).toBe(10);
    gateway.configure({ down: false });
    await world.advance({ seconds: 40 });
    expect(other.decisions.filter((decision) => decision.outcome.case === 'settled')).toHaveLength(35);
  });

  it('decides orders whatever the length of what the gateway says, or of why somebody cancels', async () => {
    const words = 'x'.repeat(70_000);
    await start();
    const answers: Readonly<Record<string, ChargeAnswer>> = {
      pay_paid: { outcome: 'approved', gatewayId: words },
      pay_declined: { outcome: 'declined', code: words, retry: 'never' },
    };
    const charge = async ({ paymentId }: ChargeRequest): Promise<ChargeAnswer> =>
      answers[paymentId] ?? { outcome: 'approved', gatewayId: 'ch' };
    await processor.close();
    const { database, broker, clock, random } = world;
    const refund = async (): Promise<RefundAnswer> => ({ outcome: 'declined', code: words, gatewayId: words });
    const wordy = { name: 'wordy', abilities: gateway.abilities, charge, lookup: gateway.lookup, refund, listCharges: gateway.listCharges };
    processor = await createPaymentProcessor({ database, broker, gateway: wordy, clock, random });
    await other.place({ orderId: 'paid' }, { orderId: 'declined' });
    await other.send(cancelEvent(clock, 'canceled', 'm1', words));
    await world.advance({ seconds: 1 });
    expect(['paid', 'declined', 'canceled'].map((orderId) => other.outcomes(orderId))).toEqual([['settled'], ['declined'], ['canceled']]);
    const [attempt] = (await processor.getPayment('paid'))?.attempts ?? [];
    expect(attempt?.gatewayChargeId).toBe(`${'x'.repeat(1_000)}…`);
    expect(await processor.refund({ orderId: 'paid', requestId: 'r1' })).toMatchObject({ status: 'DECLINED' });
  });

  it('charges orders whose ids have as many characters as they may, an emoji counting as one', async () => {
    await start();
    const longest = { merchantId: '😀'.repeat(64), customerId: '😀'.repeat(255) };
    await other.place(
      { orderId: 'o1', ...longest },
      { orderId: 'o2', merchantId: 'm'.repeat(65) },
      { orderId: 'o3', customerId: 'c'.repeat(256) },
    );
    await world.advance({ seconds: 1 });
    expect(other.decisions.map(({ orderId, merchantId }) => [orderId, merchantId])).toEqual([['o1', longest.merchantId]]);
    const dead = await world.broker.subscribe({ topic: 'orders-payment-dlq', subscription: 'test', initialPosition: 'earliest' });
    const letters = await dead.receive(10);
    expect(letters.map(({ properties }) => properties[consumerProperties.reason])).toEqual(['INVALID_ORDER_EVENT', 'INVALID_ORDER_EVENT']);
  });

  it('sends poison to the dead-letter topic and goes on', async () => {
    await start();
    const raw = await world.broker.createProducer({ topic: 'orders' });
    await raw.send({ payload: new Uint8Array([9, 9, 9]), key: 'x' });
    await other.place({ orderId: 'o1', units: -1n }, { orderId: 'o2', currency: 'ZZQ' }, { orderId: 'o3', method: '' }, { orderId: 'o4' });
    await world.advance({ seconds: 5 });
    const dead = await world.broker.subscribe({ topic: 'orders-payment-dlq', subscription: 'test', initialPosition: 'earliest' });
    expect(await dead.receive(10)).toHaveLength(4);
    expect(other.decisions.map(({ orderId }) => orderId)).toEqual(['o4']);
  });

  it('refuses a gateway that promises what it cannot do', async () => {
    await start();
    const { charge, name, abilities } = gateway;
    const { database, broker } = world;
    await expect(createPaymentProcessor({ database, broker, gateway: { charge, name, abilities } })).rejects.toMatchObject({
      reason: 'GATEWAY_ABILITY_MISSING',
    });
    await expect(createPaymentProcessor({ database, broker, gateway, policy: { attempts: 0 } })).rejects.toMatchObject({
      reason: 'INVALID_POLICY',
    });
  });

  it('goes on with payments whose time has come, however many others come first that cannot be handled', async () => {
    let broken = false;
    await start(
      {},
      {},
      spoilRows(world.database, (parameter) => broken && parameter.includes('bad-')),
    );
    const method = simulatedMethods.timeoutAfterCharge;
    await other.place(...Array.from({ length: 120 }, (_, n) => ({ orderId: `bad-${n}`, method })));
    await world.advance(500);
    await other.place({ orderId: 'good', method });
    await world.advance({ seconds: 8 });
    broken = true;
    await world.runUntil(() => other.outcomes('good').length > 0, { maxMs: 120_000 });
    expect(other.outcomes('good')).toEqual(['settled']);
    expect(world.telemetry.counter('paystream_payment_due_failures_total', { kind: 'payment' })).toBeGreaterThanOrEqual(120);
    expect(other.outcomes('bad-0')).toEqual([]);
    broken = false;
    await world.runUntil(() => other.decisions.length === 121, { maxMs: 120_000 });
    expect((await gateway.summary()).chargedTwice).toEqual([]);
  });
});
