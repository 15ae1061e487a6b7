import { AttemptState, PaymentState } from '@paystream/core/contracts';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PaymentPolicy } from '../payment/policy.ts';
import { createSimulatedGateway, type SimulatedGateway, type SimulatedGatewayOptions } from '../simulated/index.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, createCounterpart } from './test-support.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;

async function start(options: SimulatedGatewayOptions = {}, policy: Partial<PaymentPolicy> = {}): Promise<void> {
  const { clock, random, broker, database, telemetry } = world;
  gateway = await createSimulatedGateway({ clock, random, ...options });
  processor = await createPaymentProcessor({ database, broker, gateway, policy, clock, random, telemetry });
}

beforeEach(async () => {
  world = await createTestWorld({ seed: 1 });
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
});
