import { PaystreamError } from '@paystream/core';
import type { Database } from '@paystream/core/sql';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSimulatedGateway, type SimulatedGateway } from '../simulated/index.ts';
import { mortal } from './crash-support.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, createCounterpart } from './test-support.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;

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

const start = async (database: Database = world.database): Promise<void> => {
  const { broker, clock, random } = world;
  processor = await createPaymentProcessor({ database, broker, gateway, clock, random });
};

describe('a processor in trouble', () => {
  it('goes on at once with the calls of a process that was killed', async () => {
    const { clock, random, broker, database } = world;
    gateway = await createSimulatedGateway({ clock, random, latencyMs: 500 });
    const first = mortal({ clock, broker, database, gateway });
    await createPaymentProcessor({ ...first, random });
    await other.place({ orderId: 'o1' });
    await world.advance(100);
    first.kill();
    await start();
    await world.advance(600);
    expect(other.outcomes('o1')).toEqual(['settled']);
  });

  it('does not lose the answer of a gateway that cannot be asked again while its database is away', async () => {
    const { clock, random } = world;
    gateway = await createSimulatedGateway({ clock, random, latencyMs: 1_000, abilities: { lookup: false, idempotent: false } });
    let away = false;
    await start({
      ...world.database,
      transaction: (work) =>
        away ? Promise.reject(new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' })) : world.database.transaction(work),
    });
    await other.place({ orderId: 'o1' });
    await world.advance(500);
    away = true;
    await world.advance({ seconds: 10 });
    away = false;
    await world.advance({ seconds: 2 });
    expect(other.outcomes('o1')).toEqual(['settled']);
  });

  it('leaves orders in their topic while its database is away, and charges them after that', async () => {
    const { clock, random, broker } = world;
    gateway = await createSimulatedGateway({ clock, random });
    let away = false;
    await start({
      ...world.database,
      transaction: (work) =>
        away ? Promise.reject(new PaystreamError('UNAVAILABLE', 'away', { reason: 'AWAY' })) : world.database.transaction(work),
    });
    away = true;
    await other.place({ orderId: 'o1' }, { orderId: 'o2' });
    await world.advance({ seconds: 40 });
    expect((await gateway.summary()).charges).toBe(0);
    away = false;
    await world.advance({ seconds: 40 });
    expect([other.outcomes('o1'), other.outcomes('o2')]).toEqual([['settled'], ['settled']]);
    const dead = await broker.subscribe({ topic: 'orders-payment-dlq', subscription: 'test', initialPosition: 'earliest' });
    expect(await dead.backlog()).toBe(0);
  });

  it('does not send a charge that stood still until its order had expired', async () => {
    const { clock, random } = world;
    gateway = await createSimulatedGateway({ clock, random });
    let frozen = false;
    await start({
      ...world.database,
      transaction: async (work) => {
        const result = await world.database.transaction(work);
        if (frozen) {
          frozen = false;
          await clock.sleep(130_000);
        }
        return result;
      },
    });
    frozen = true;
    await other.place({ orderId: 'o1' });
    await world.advance({ minutes: 4 });
    expect((await gateway.summary()).charges).toBe(0);
    expect(other.outcomes('o1')).toEqual(['expired']);
  });

  it('hands over to the next process when it is closed while a call hangs', async () => {
    const { clock, random } = world;
    gateway = await createSimulatedGateway({ clock, random });
    await start();
    await other.place({ orderId: 'o1', method: 'pm_timeout_after_charge' });
    await world.advance(100);
    const closed = processor.close(2_000);
    await world.advance({ seconds: 3 });
    await closed;
    await expect(processor.check?.()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await start();
    await world.advance({ seconds: 1 });
    expect(other.outcomes('o1')).toEqual(['settled']);
    expect((await gateway.summary()).charges).toBe(1);
  });
});
