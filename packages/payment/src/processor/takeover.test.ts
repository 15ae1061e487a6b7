import { silentLogger } from '@paystream/core';
import { createSeededRandom, createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSimulatedGateway, type SimulatedGateway, simulatedMethods } from '../simulated/index.ts';
import { type MortalProcess, mortal, type ProcessPorts } from './crash-support.ts';
import { createProcessorLease, type ProcessorLease } from './lease.ts';
import type { PaymentProcessor } from './port.ts';
import { createPaymentProcessor } from './processor.ts';
import { type Counterpart, createCounterpart } from './test-support.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let ports: ProcessPorts;
let running: { close(): Promise<void> }[];

beforeEach(async () => {
  world = await createTestWorld({ seed: 1 });
  other = await createCounterpart(world.broker, world.clock);
  gateway = await createSimulatedGateway({
    clock: world.clock,
    random: world.random,
    latencyMs: 2_000,
    abilities: { visibilityDelayMs: 500 },
  });
  // As if it were shared by several processes.
  ports = { ...world, database: { ...world.database, exclusive: false }, gateway };
  running = [];
});
afterEach(async () => {
  const closed = Promise.all([...running, other].map((one) => one.close()));
  await world.advance({ seconds: 30 });
  await closed;
  await gateway.close();
  await world[Symbol.asyncDispose]();
});

async function start(process: ProcessPorts, seed: number): Promise<PaymentProcessor> {
  const processor = await createPaymentProcessor({ ...process, random: createSeededRandom(seed) });
  running.push(processor);
  return processor;
}

/** A processor that takes the orders, is killed while its calls are under way, and leaves another behind. */
async function killed(method: string): Promise<{ readonly survivor: PaymentProcessor; readonly dead: MortalProcess }> {
  const dead = mortal(ports);
  const doomed = await start(dead, 2);
  running.pop();
  await other.place(...Array.from({ length: 20 }, (_, index) => ({ orderId: `o${index}`, method })));
  await world.advance({ seconds: 1 });
  expect(doomed.inFlight).toBe(20);
  const survivor = await start(ports, 3);
  dead.kill();
  return { survivor, dead };
}

const settled = () => other.decisions.filter(({ outcome }) => outcome.case === 'settled').length;

describe('a processor that shares its database', () => {
  it('goes on within eight seconds with the orders of one that was killed, and charges none twice', async () => {
    await killed(simulatedMethods.approved);
    await world.advance({ seconds: 8 });
    expect(settled()).toBe(20);
    expect(await gateway.summary()).toMatchObject({ charges: 20, chargedTwice: [] });
  });

  it('sends the charges of one that was killed before they left within eight seconds', async () => {
    gateway.configure({ latencyMs: 200 });
    const dead = mortal({ ...ports, gateway: { ...gateway, charge: () => new Promise(() => undefined) } });
    await start(dead, 2);
    running.pop();
    await other.place({ orderId: 'o1' });
    await world.advance({ seconds: 1 });
    await start(ports, 3);
    dead.kill();
    await world.advance({ seconds: 8 });
    expect(settled()).toBe(1);
    expect(await gateway.summary()).toMatchObject({ charges: 1, chargedTwice: [] });
  });

  it('leaves alone the calls of one that lives', async () => {
    const slow = mortal(ports);
    await start(slow, 2);
    gateway.configure({ latencyMs: 9_000 });
    let lookups = 0;
    const lookup = gateway.lookup.bind(gateway);
    gateway.lookup = (key, signal) => {
      lookups += 1;
      return lookup(key, signal);
    };
    await other.place({ orderId: 'o1' });
    await world.advance({ seconds: 1 });
    await start(ports, 3);
    await world.advance({ seconds: 12 });
    expect(settled()).toBe(1);
    expect(lookups).toBe(0);
  });

  it('goes on at once with what one that was closed had not finished', async () => {
    const first = await start(ports, 2);
    running.pop();
    await other.place({ orderId: 'o1' });
    await world.advance({ ms: 100 });
    await start(ports, 3);
    const closed = first.close(0);
    await world.advance({ ms: 3_500 });
    await closed;
    expect(settled()).toBe(1);
    expect(await gateway.summary()).toMatchObject({ charges: 1, chargedTwice: [] });
  });
});

describe('the lease of a processor', () => {
  async function lease(database = ports.database): Promise<{ readonly lease: ProcessorLease; readonly taken: string[] }> {
    const taken: string[] = [];
    const takeOver = async (gone: string): Promise<number> => taken.push(gone);
    const { clock, random } = world;
    const made = createProcessorLease({ database, clock, random, takeOver, logger: silentLogger });
    await made.start();
    running.push(made);
    return { lease: made, taken };
  }

  it('lets no charge leave once others may have taken over, until it gives a sign of life again', async () => {
    await (await start(ports, 2)).close();
    let away = false;
    const transaction: typeof ports.database.transaction = (work) =>
      away ? Promise.reject(new Error('away')) : world.database.transaction(work);
    const { lease: mine } = await lease({ ...ports.database, transaction });
    const { taken } = await lease();
    await world.advance({ seconds: 10 });
    expect([mine.fresh(), taken]).toEqual([true, []]);
    away = true;
    await world.advance({ seconds: 3, ms: 600 });
    expect([mine.fresh(), taken]).toEqual([false, []]);
    await world.advance({ seconds: 2 });
    expect([mine.fresh(), taken]).toEqual([false, [mine.owner]]);
    away = false;
    await world.advance({ seconds: 1 });
    expect(mine.fresh()).toBe(true);
    await world.advance({ seconds: 10 });
    expect(taken).toEqual([mine.owner]);
  });

  it('needs no database where nobody else can share it', async () => {
    const { lease: mine } = await lease(world.database);
    expect([mine.owner, mine.fresh()]).toEqual(['', true]);
  });
});
