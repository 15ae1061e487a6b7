import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSimulatedGateway, type SimulatedGateway } from '../simulated/index.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, createCounterpart } from './test-support.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor | undefined;

async function start(): Promise<void> {
  const { database, clock, random, broker, telemetry } = world;
  processor = await createPaymentProcessor({ database, broker, gateway, clock, random, telemetry });
}
beforeEach(async () => {
  world = await createTestWorld();
  other = await createCounterpart(world.broker, world.clock);
  gateway = await createSimulatedGateway({ clock: world.clock, random: world.random });
  processor = undefined;
});
const closeAll = async (): Promise<void> => {
  const closed = processor?.close();
  await world.advance({ seconds: 30 });
  await closed;
};
afterEach(async () => {
  await closeAll();
  const closed = other.close();
  await world.advance({ seconds: 30 });
  await closed;
  await gateway.close();
  await world[Symbol.asyncDispose]();
});
const waiting = (kind: string) => world.telemetry.gaugeValue('paystream_payment_waiting', { kind });
const oldest = (kind: string) => world.telemetry.gaugeValue('paystream_payment_oldest_seconds', { kind });
const backlog = (kind: string) => [waiting(kind), oldest(kind)];
const away = () => Promise.reject(new Error('502'));

it('an outage of the gateway is seen by how many payments are not decided and for how long, and so is its end', async () => {
  await start();
  const { lookup } = gateway;
  gateway.charge = away;
  gateway.lookup = away;
  await other.place({ orderId: 'o1' }, { orderId: 'o2' });
  await world.advance({ seconds: 150 });
  expect(waiting('payment')).toBe(2);
  expect(oldest('payment')).toBeGreaterThan(110);
  expect(oldest('payment')).toBeLessThanOrEqual(150);
  gateway.lookup = lookup;
  await world.advance({ minutes: 1 });
  // Now they are expired, and watched for a late charge.
  expect([other.outcomes('o1'), other.outcomes('o2')]).toEqual([['expired'], ['expired']]);
  expect(backlog('payment')).toEqual([0, 0]);
});

it('a refund that the gateway does not answer is seen, also by the next process, until it is answered', async () => {
  await start();
  await other.place({ orderId: 'o1' });
  await world.advance({ seconds: 1 });
  const { refund } = gateway;
  gateway.refund = away;
  await processor?.refund({ orderId: 'o1', requestId: 'r1' });
  await world.advance({ seconds: 55 });
  expect(waiting('refund')).toBe(1);
  expect(oldest('refund')).toBeGreaterThan(40);
  expect(oldest('refund')).toBeLessThanOrEqual(55);
  expect(backlog('payment')).toEqual([0, 0]);
  await closeAll();
  expect(backlog('refund')).toEqual([0, 0]);
  gateway.refund = refund;
  await start();
  await world.advance({ seconds: 20 });
  expect(waiting('refund')).toBe(1);
  await world.runUntil(async () => (await processor?.getPayment('o1'))?.refunded?.units === 1_000n);
  await world.advance({ seconds: 20 });
  expect(backlog('refund')).toEqual([0, 0]);
});
