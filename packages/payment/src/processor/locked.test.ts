import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSimulatedGateway, type SimulatedGateway, simulatedMethods } from '../simulated/index.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, createCounterpart, lockRows } from './test-support.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;
let locked: (orderId: string) => boolean;

beforeEach(async () => {
  world = await createTestWorld();
  const { broker, clock, random, telemetry } = world;
  locked = () => false;
  other = await createCounterpart(broker, clock);
  gateway = await createSimulatedGateway({ clock, random });
  const database = lockRows(world.database, clock, (orderId) => locked(orderId));
  processor = await createPaymentProcessor({ database, broker, gateway, clock, random, telemetry });
});
afterEach(async () => {
  const closed = Promise.all([processor.close(), other.close()]);
  await world.advance({ seconds: 60 });
  await closed;
  await gateway.close();
  await world[Symbol.asyncDispose]();
});
const method = simulatedMethods.declineThenApprove;
const settled = (prefix: string): number =>
  other.decisions.filter(({ orderId, outcome }) => orderId.startsWith(prefix) && outcome.case === 'settled').length;
const failures = (kind: string): number => world.telemetry.counter('paystream_payment_due_failures_total', { kind });

it('payments whose time has come go on while somebody holds the row of one of them', async () => {
  await other.place({ orderId: 'held', method });
  await world.advance({ seconds: 5 });
  locked = (orderId) => orderId === 'held';
  for (let n = 0; n < 120; n++) {
    await other.place({ orderId: `o-${n}`, method });
    await world.advance(1_000);
  }
  await world.advance({ seconds: 60 });
  expect(settled('o-')).toBe(120);
  expect(failures('payment')).toBeGreaterThan(1);
  expect(failures('payment')).toBeLessThan(8);
  expect(other.outcomes('held')).toEqual([]);
  locked = () => false;
  await world.advance({ seconds: 90 });
  expect(other.outcomes('held')).toHaveLength(1);
  expect((await gateway.summary()).chargedTwice).toEqual([]);
});

it('payments that come due together with some whose rows somebody holds wait for these once', async () => {
  await other.place(...Array.from({ length: 100 }, (_, n) => ({ orderId: `${n === 50 ? 'held' : 'o'}-${n}`, method })));
  await world.advance({ seconds: 5 });
  locked = (orderId) => orderId.startsWith('held');
  await world.advance({ seconds: 25 });
  expect(settled('o-')).toBe(0);
  await world.advance({ seconds: 25 });
  expect(settled('o-')).toBe(99);
});

it('outcomes of others go on while somebody holds the row of a payment that the gateway answered', async () => {
  gateway.configure({ latencyMs: 1_000 });
  await other.place({ orderId: 'held' });
  await world.advance(500);
  locked = (orderId) => orderId === 'held';
  await world.advance({ seconds: 20 });
  for (let n = 0; n < 60; n++) {
    await other.place({ orderId: `o-${n}` });
    await world.advance(1_000);
    expect(settled('o-')).toBeGreaterThanOrEqual(n - 1);
  }
  locked = () => false;
  await world.advance({ seconds: 30 });
  expect(other.outcomes('held')).toEqual(['settled']);
  expect((await gateway.summary()).chargedTwice).toEqual([]);
});

it('refunds whose time has come go on while somebody holds the row of one of them', async () => {
  const orderIds = Array.from({ length: 20 }, (_, n) => `o-${n}`);
  await other.place({ orderId: 'held' }, ...orderIds.map((orderId) => ({ orderId })));
  await world.advance({ seconds: 1 });
  const { refund } = gateway;
  gateway.refund = () => Promise.reject(new Error('502'));
  await processor.refund({ orderId: 'held', requestId: 'r' });
  locked = (orderId) => orderId === 'held';
  await world.advance({ seconds: 30 });
  for (const orderId of orderIds) await processor.refund({ orderId, requestId: 'r' });
  gateway.refund = refund;
  await world.advance({ seconds: 5 });
  const refunded = other.decisions.filter(({ orderId, outcome }) => orderId.startsWith('o-') && outcome.case === 'refunded');
  expect(refunded).toHaveLength(20);
  expect(failures('refund')).toBeGreaterThan(0);
});

it('a processor closes in time while somebody holds the row of a payment whose time has come', async () => {
  await other.place({ orderId: 'held', method });
  await world.advance({ seconds: 5 });
  locked = (orderId) => orderId === 'held';
  await world.advance({ seconds: 75 });
  let closed = false;
  void processor.close(2_000).then(() => {
    closed = true;
  });
  await world.advance({ seconds: 14 });
  expect(closed).toBe(true);
});
