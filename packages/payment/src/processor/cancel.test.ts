import { PaymentState } from '@paystream/core/contracts';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSimulatedGateway, type SimulatedGateway, type SimulatedGatewayOptions, simulatedMethods } from '../simulated/index.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, cancelEvent, createCounterpart } from './test-support.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;

async function start(options: SimulatedGatewayOptions = {}): Promise<void> {
  const { clock, random, broker, database } = world;
  gateway = await createSimulatedGateway({ clock, random, ...options });
  processor = await createPaymentProcessor({ database, broker, gateway, clock, random });
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

describe('a cancellation', () => {
  it('keeps an order that comes with it from being charged', async () => {
    await other.place({ orderId: 'o1' });
    await other.cancel('o1');
    await start();
    await world.advance({ seconds: 1 });
    expect(other.outcomes('o1')).toEqual(['canceled']);
    expect((await gateway.summary()).charges).toBe(0);
  });

  it('keeps an order that comes after it from being charged', async () => {
    await start();
    await other.cancel('o1');
    await world.clock.settle();
    await other.place({ orderId: 'o1' });
    await world.advance({ minutes: 3 });
    expect(other.outcomes('o1')).toEqual(['canceled']);
    expect((await processor.getPayment('o1'))?.state).toBe(PaymentState.CANCELED);
    expect((await gateway.summary()).charges).toBe(0);
  });

  it('comes too late while the call is under way and succeeds', async () => {
    await start({ latencyMs: 1_000 });
    await other.place({ orderId: 'o1' });
    await world.advance(500);
    await other.cancel('o1');
    await world.advance(100);
    expect(other.outcomes('o1')).toEqual([]);
    await world.advance(500);
    expect(other.outcomes('o1')).toEqual(['settled']);
    expect((await gateway.summary()).standing).toBe(1);
  });

  it('wins while the call is under way and is declined, whatever the decline allows', async () => {
    await start({ latencyMs: 1_000 });
    await other.place({ orderId: 'o1', method: simulatedMethods.declineThenApprove });
    await world.advance(500);
    await other.cancel('o1');
    await world.advance({ minutes: 3 });
    expect(other.outcomes('o1')).toEqual(['canceled']);
    expect((await gateway.summary()).charges).toBe(0);
  });

  it('wins at once between two attempts', async () => {
    await start();
    await other.place({ orderId: 'o1', method: simulatedMethods.declineThenApprove });
    await world.advance({ seconds: 10 });
    await other.cancel('o1');
    await world.clock.settle();
    expect(other.outcomes('o1')).toEqual(['canceled']);
    await world.advance({ minutes: 3 });
    expect((await gateway.summary()).charges).toBe(0);
  });

  it('waits for the gateway while the outcome is unknown, and loses against a charge', async () => {
    await start({ abilities: { visibilityDelayMs: 20_000 } });
    await other.place({ orderId: 'o1', method: simulatedMethods.timeoutAfterCharge });
    await world.advance({ seconds: 11 });
    await other.cancel('o1');
    await world.advance({ seconds: 2 });
    expect(other.outcomes('o1')).toEqual([]);
    await world.advance({ seconds: 30 });
    expect(other.outcomes('o1')).toEqual(['settled']);
  });

  it('wins while the outcome is unknown and the gateway turns out to know nothing: it is not sent again', async () => {
    await start({ abilities: { visibilityDelayMs: 5_000 } });
    await other.place({ orderId: 'o1', method: simulatedMethods.timeoutBeforeCharge });
    await world.advance({ seconds: 11 });
    await other.cancel('o1');
    await world.advance({ seconds: 10 });
    expect(other.outcomes('o1')).toEqual(['canceled']);
    await world.advance({ hours: 2 });
    expect((await gateway.summary()).charges).toBe(0);
  });

  it('has the gateway asked at once about what is unknown', async () => {
    await start();
    gateway.configure({ down: true });
    await other.place({ orderId: 'o1' });
    await world.advance({ seconds: 40 });
    gateway.configure({ down: false });
    // The next look-up would come five minutes after the call.
    await other.cancel('o1');
    await world.advance({ seconds: 1 });
    expect(other.outcomes('o1')).toEqual(['canceled']);
  });

  it('changes nothing once the order is paid', async () => {
    await start();
    await other.place({ orderId: 'o1' });
    await world.clock.settle();
    await other.cancel('o1');
    await world.advance({ minutes: 3 });
    expect(other.outcomes('o1')).toEqual(['settled']);
  });

  it('is not taken from another merchant', async () => {
    await start({ latencyMs: 1_000 });
    await other.place({ orderId: 'o1', method: simulatedMethods.insufficientFunds });
    await world.advance({ seconds: 5 });
    await other.send(cancelEvent(world.clock, 'o1', 'm2'));
    await world.advance({ seconds: 5 });
    expect(other.outcomes('o1')).toEqual([]);
  });
});
