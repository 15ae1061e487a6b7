import { money } from '@paystream/core';
import { PaymentState } from '@paystream/core/contracts';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paymentPolicy } from '../payment/policy.ts';
import { mortal } from '../processor/crash-support.ts';
import type { PaymentProcessor } from '../processor/port.ts';
import { createPaymentProcessor } from '../processor/processor.ts';
import { type Counterpart, createCounterpart, spoilRows } from '../processor/test-support.ts';
import { createSimulatedGateway, type SimulatedGateway, type SimulatedGatewayOptions } from '../simulated/index.ts';
import { createWallet, type Wallet } from '../wallet/index.ts';
import { newRefund, type RefundEvent, refundTransition } from './refund.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;
let wallet: Wallet;

async function start(options: SimulatedGatewayOptions = {}, payments = world.database): Promise<void> {
  const { clock, random, broker, database, telemetry } = world;
  gateway = await createSimulatedGateway({ clock, random, ...options });
  processor = await createPaymentProcessor({ database: payments, broker, gateway, clock, random, telemetry });
  wallet = await createWallet({ database, broker, clock, random });
  await other.place({ orderId: 'o1', units: 1_000n });
  await world.advance({ seconds: 1 });
}
const eur = (units: bigint) => money('EUR', units);

beforeEach(async () => {
  world = await createTestWorld();
  other = await createCounterpart(world.broker, world.clock);
});
afterEach(async () => {
  const closed = Promise.all([processor.close(), wallet.close(), other.close()]);
  await world.advance({ seconds: 30 });
  await closed;
  await gateway.close();
  await world[Symbol.asyncDispose]();
});

describe('refunds', () => {
  it.each(['', 'r'.repeat(129), 'r\ud800'])('are not begun under an id that could not be found again: %j', async (requestId) => {
    await start();
    await expect(processor.refund({ orderId: 'o1', requestId })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      reason: 'INVALID_REQUEST_ID',
    });
    expect(await gateway.summary()).toMatchObject({ standing: 1 });
  });

  it('give back parts and the rest, down to the merchant’s wallet', async () => {
    await start();
    expect(await processor.refund({ orderId: 'o1', requestId: 'r1', amount: eur(300n) })).toMatchObject({
      status: 'REFUNDED',
      amount: { units: 300n },
    });
    expect(await processor.refund({ orderId: 'o1', requestId: 'r2' })).toMatchObject({ status: 'REFUNDED', amount: { units: 700n } });
    await world.clock.settle();
    expect(other.decisions.map(({ state, outcome }) => [state, outcome.case])).toEqual([
      [PaymentState.SETTLED, 'settled'],
      [PaymentState.PARTIALLY_REFUNDED, 'refunded'],
      [PaymentState.REFUNDED, 'refunded'],
    ]);
    expect((await wallet.getWallet('m1'))[0]).toMatchObject({ revenue: { units: 0n }, sales: 1n, version: 3n });
    expect(await gateway.summary()).toMatchObject({ standing: 0 });
    expect((await processor.reconcile()).discrepancies).toEqual([]);
  });

  it('are counted, timed and traced as the calls to the gateway that they are', async () => {
    await start();
    const { telemetry } = world;
    const refundCalls = (outcome: string) =>
      telemetry.counter('paystream_gateway_calls_total', { gateway: 'simulated', call: 'refund', outcome });
    const caller = telemetry.startSpan('support console');
    await caller.run(() => processor.refund({ orderId: 'o1', requestId: 'r1', amount: eur(300n) }));
    expect(refundCalls('refunded')).toBe(1);
    expect(telemetry.observations('paystream_gateway_call_seconds', { call: 'refund' })).toHaveLength(1);
    const [span] = telemetry.spans.filter(({ name }) => name === 'refund simulated');
    expect(span).toMatchObject({ kind: 'client', ended: true, error: undefined, attributes: { 'paystream.outcome': 'refunded' } });
    expect(span?.parent?.traceparent).toBe(caller.traceparent);
    caller.end();
    gateway.refund = () => Promise.reject(new Error('502'));
    await processor.refund({ orderId: 'o1', requestId: 'r2', amount: eur(300n) });
    expect(refundCalls('unknown')).toBe(1);
    expect(telemetry.spans.filter(({ name, error }) => name === 'refund simulated' && error !== undefined)).toHaveLength(1);
  });

  it('happen once for each request, and refuse its id for another amount', async () => {
    await start();
    const request = { orderId: 'o1', requestId: 'r1', amount: eur(300n) };
    await Promise.all([processor.refund(request), processor.refund(request)]);
    await processor.refund(request);
    expect((await processor.getPayment('o1'))?.refunded?.units).toBe(300n);
    await expect(processor.refund({ ...request, amount: eur(200n) })).rejects.toMatchObject({ reason: 'REQUEST_ID_REUSED' });
  });

  it('never add up to more than was charged, however many come at once', async () => {
    await start();
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, (_, index) => processor.refund({ orderId: 'o1', requestId: `r${index}`, amount: eur(400n) })),
    );
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { reason: 'REFUND_TOO_LARGE' } });
    expect((await processor.getPayment('o1'))?.refunded?.units).toBe(800n);
  });

  it('are refused for what was not charged', async () => {
    await start();
    await other.place({ orderId: 'o2', method: 'pm_card_declined' });
    await world.clock.settle();
    await expect(processor.refund({ orderId: 'o2', requestId: 'r1' })).rejects.toMatchObject({ reason: 'NOT_REFUNDABLE' });
    await expect(processor.refund({ orderId: 'o9', requestId: 'r1' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('whose answer is lost are sent again with the same key, and count once', async () => {
    await start();
    const refund = gateway.refund.bind(gateway);
    let calls = 0;
    gateway.refund = async (request) => {
      const answer = await refund(request);
      calls += 1;
      if (calls === 1) throw new Error('502');
      return answer;
    };
    expect(await processor.refund({ orderId: 'o1', requestId: 'r1', amount: eur(300n) })).toMatchObject({ status: 'UNKNOWN' });
    await expect(processor.refund({ orderId: 'o1', requestId: 'r2', amount: eur(800n) })).rejects.toMatchObject({
      reason: 'REFUND_TOO_LARGE',
    });
    await world.advance({ seconds: 3 });
    expect(await processor.refund({ orderId: 'o1', requestId: 'r1', amount: eur(300n) })).toMatchObject({ status: 'REFUNDED', tries: 1 });
    expect((await processor.getPayment('o1'))?.refunded?.units).toBe(300n);
  });

  it('that another node of the database does not show yet may be asked for again, and are made once', async () => {
    await start();
    const { database } = world;
    const move = (from: string, to: string): Promise<unknown> =>
      database.transaction((tx) =>
        tx.execute(`UPDATE ${database.tables('payment_refunds')} SET order_id = ? WHERE order_id = ?`, [to, from]),
      );
    const refund = gateway.refund.bind(gateway);
    gateway.refund = async (request) => {
      await move('o1', 'unseen');
      return refund(request);
    };
    const request = { orderId: 'o1', requestId: 'r1', amount: eur(300n) };
    await expect(processor.refund(request)).rejects.toMatchObject({
      reason: 'REFUND_GONE',
      retryable: true,
      message: expect.stringMatching(/goes on by itself.*ask again with the same request id/),
    });
    gateway.refund = refund;
    await move('unseen', 'o1');
    await world.advance({ minutes: 1 });
    expect(await processor.refund(request)).toMatchObject({ status: 'REFUNDED' });
    expect((await processor.getPayment('o1'))?.refunded?.units).toBe(300n);
  });

  it('that cannot be handled when their time comes are tried again ever more seldom, and made once they can be', async () => {
    let broken = false;
    await start(
      {},
      spoilRows(world.database, (parameter) => broken && parameter.includes('o1')),
    );
    const { refund } = gateway;
    gateway.refund = () => Promise.reject(new Error('502'));
    await processor.refund({ orderId: 'o1', requestId: 'r1' });
    gateway.refund = refund;
    broken = true;
    await world.advance({ seconds: 30 });
    const failures = world.telemetry.counter('paystream_payment_due_failures_total', { kind: 'refund' });
    expect(failures).toBeGreaterThan(2);
    expect(failures).toBeLessThan(7);
    broken = false;
    await world.advance({ minutes: 1 });
    expect(await processor.refund({ orderId: 'o1', requestId: 'r1' })).toMatchObject({ status: 'REFUNDED' });
  });

  it('are not sent again to a gateway that would give back twice', async () => {
    await start({ abilities: { idempotent: false } });
    gateway.refund = () => Promise.reject(new Error('502'));
    expect(await processor.refund({ orderId: 'o1', requestId: 'r1' })).toMatchObject({ status: 'IN_REVIEW' });
    await world.advance({ hours: 2 });
    expect(other.logs.filter((entry) => entry.event === 'payment.refund.in_review')).toHaveLength(1);
  });

  it('that a crash cut off between any two steps are finished once', async () => {
    await start();
    const { clock, random, broker, database } = world;
    await world.advance({ seconds: 1 });
    await processor.close();
    let refunded = 0n;
    for (let dieAt = 1; dieAt < 60 && refunded < 1_000n; dieAt++) {
      const process = mortal({ clock, broker, database, gateway }, dieAt);
      const doomed = createPaymentProcessor({ ...process, random });
      void doomed.then((one) => one.refund({ orderId: 'o1', requestId: `r${dieAt}`, amount: eur(10n) })).catch(() => undefined);
      await world.advance({ seconds: 1 });
      process.kill();
      processor = await createPaymentProcessor({ clock, random, broker, database, gateway });
      await world.advance({ minutes: 1 });
      // If the first one died before the request was stored, this one is the first that counts.
      const stored = await processor.refund({ orderId: 'o1', requestId: `r${dieAt}`, amount: eur(10n) });
      refunded += 10n;
      expect(stored.status).toBe('REFUNDED');
      const closed = processor.close();
      await world.advance({ seconds: 1 });
      await closed;
      expect((await processor.getPayment('o1'))?.refunded?.units, `killed at step ${dieAt}`).toBe(refunded);
    }
    expect(refunded).toBe(590n);
    // What a killed process had not published is taken over by the database's own time, which the virtual clock does not move.
    if (world.database.name !== 'mysql') expect((await wallet.getWallet('m1'))[0]?.revenue?.units).toBe(410n);
    expect((await wallet.trialBalance()).unbalanced).toEqual([]);
  });

  it('end, stay ended, and never wait without a time, whatever happens to them', () => {
    const event: fc.Arbitrary<RefundEvent> = fc.constantFrom(
      { kind: 'refunded', gatewayId: 're' },
      { kind: 'declined', code: 'no' },
      { kind: 'unanswered' },
      { kind: 'due' },
      { kind: 'due' },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.integer({ min: 0, max: 100_000 }))), fc.boolean(), (events, idempotent) => {
        const abilities = { ...gateway.abilities, idempotent, idempotencyWindowMs: 200_000 };
        const rules = { policy: paymentPolicy(), abilities };
        let now = 1_000;
        let refund = newRefund('o', 'r', eur(1n), rules, now);
        for (const [happened, wait] of events) {
          now += wait;
          const next = refundTransition(refund, happened, rules, now);
          if ('refused' in next) continue;
          expect(refund.status === 'REFUNDED' || refund.status === 'DECLINED').toBe(false);
          if (next.send) expect(idempotent && now < 1_000 + 200_000).toBe(true);
          refund = next.refund;
          expect(refund.wakeAtMs !== undefined).toBe(refund.status === 'STARTED' || refund.status === 'UNKNOWN');
        }
      }),
    );
  });
});
