import { noTelemetry, silentLogger, type Telemetry } from '@paystream/core';
import { createMemoryTelemetry, createTestWorld, createVirtualClock, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSimulatedGateway, type SimulatedGateway } from '../simulated/index.ts';
import { createBacklog } from './backlog.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, createCounterpart } from './test-support.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor | undefined;
let looksAtMs: number[];

/** Notes when payments that wait were counted. */
async function start(telemetry: Telemetry = world.telemetry): Promise<void> {
  const { clock, random, broker } = world;
  const query: typeof world.database.query = (sql, parameters) => {
    if (sql.includes(' AS waiting') && !sql.includes('refunds')) looksAtMs.push(clock.now());
    return world.database.query(sql, parameters);
  };
  processor = await createPaymentProcessor({ database: { ...world.database, query }, broker, gateway, clock, random, telemetry });
}
beforeEach(async () => {
  world = await createTestWorld();
  other = await createCounterpart(world.broker, world.clock);
  gateway = await createSimulatedGateway({ clock: world.clock, random: world.random });
  looksAtMs = [];
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

it('what waits is counted every ten seconds at most, and not at all where nobody is told', async () => {
  await start();
  gateway.charge = away;
  gateway.lookup = away;
  for (let n = 0; n < 45; n += 1) {
    await other.place({ orderId: `o${n}` });
    await world.advance({ seconds: 1 });
  }
  expect(looksAtMs.length).toBeGreaterThan(2);
  for (const [index, atMs] of looksAtMs.slice(1).entries()) expect(atMs - (looksAtMs[index] as number)).toBeGreaterThanOrEqual(10_000);
  await closeAll();
  looksAtMs.length = 0;
  await start(noTelemetry);
  await world.advance({ minutes: 1 });
  expect(looksAtMs).toEqual([]);
});

it('the age of what nothing happens to for days grows all the same, for few looks, and what is gone is looked for no more', async () => {
  const clock = createVirtualClock();
  const telemetry = createMemoryTelemetry();
  const sinceMs = clock.now();
  let count = 1;
  let looks = 0;
  const waiting = async () => {
    looks += 1;
    return { count, sinceMs: count === 0 ? undefined : sinceMs };
  };
  const unseen = createBacklog({ kind: 'refund', waiting, clock, logger: silentLogger, telemetry });
  const age = () => telemetry.gaugeValue('paystream_payment_oldest_seconds', { kind: 'refund' }) ?? 0;
  unseen.look();
  for (const days of [1, 2, 4]) {
    await clock.advance({ hours: 24 * days });
    const trueAge = (clock.now() - sinceMs) / 1_000;
    expect(age()).toBeGreaterThan(trueAge * 0.985);
    expect(age()).toBeLessThanOrEqual(trueAge);
  }
  expect(looks).toBeLessThan(1_000);
  count = 0;
  await clock.advance({ hours: 3 });
  expect([age(), clock.pendingTimers]).toEqual([0, 0]);
  await unseen.close();
});
