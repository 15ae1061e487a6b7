import { PaymentState } from '@paystream/core/contracts';
import { createTestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { createSimulatedGateway, simulatedMethods } from '../simulated/index.ts';
import { mortal } from './crash-support.ts';
import { createPaymentProcessor } from './processor.ts';
import { createCounterpart } from './test-support.ts';

const finalStates: ReadonlySet<PaymentState | undefined> = new Set([
  PaymentState.SETTLED,
  PaymentState.DECLINED,
  PaymentState.EXPIRED,
  PaymentState.CANCELED,
]);

interface Ending {
  readonly died: boolean;
  readonly state: PaymentState | undefined;
  readonly outcomes: readonly string[];
  readonly charges: number;
  readonly chargedTwice: readonly string[];
}

/** One order, in a process that dies at one of its steps, and in the process that is started after it. */
async function runWithCrash(method: string, dieAt: number, cancelAfterMs?: number): Promise<Ending> {
  const world = await createTestWorld({ seed: dieAt });
  const { clock, random } = world;
  const other = await createCounterpart(world.broker, clock);
  const gateway = await createSimulatedGateway({ clock, random, latencyMs: 20, abilities: { visibilityDelayMs: 500 } });
  const ports = { database: world.database, broker: world.broker, gateway, clock };
  const first = mortal(ports, dieAt);
  // It may die while it starts.
  const started = createPaymentProcessor({ ...first, random });
  void started.catch(() => undefined);
  await clock.settle();
  await other.place({ orderId: 'o1', method });
  if (cancelAfterMs !== undefined) {
    await world.advance(cancelAfterMs);
    await other.cancel('o1');
  }
  for (let i = 0; i < 40 && !first.dead; i++) await world.advance(5_000);
  const died = first.dead;
  first.kill();
  const second = await createPaymentProcessor({ ...ports, random });
  await world.advance({ minutes: 6 });
  const state = (await second.getPayment('o1'))?.state;
  const { charges, chargedTwice } = await gateway.summary();
  const ending = { died, state, outcomes: [...other.outcomes('o1')], charges, chargedTwice };
  const closed = Promise.all([second.close(), other.close()]);
  await world.advance({ seconds: 20 });
  await closed;
  await gateway.close();
  await world[Symbol.asyncDispose]();
  return ending;
}

const scenarios = [
  { name: 'an approved charge', method: simulatedMethods.approved, state: PaymentState.SETTLED },
  { name: 'a charge whose answer is lost', method: simulatedMethods.timeoutAfterCharge, state: PaymentState.SETTLED },
  { name: 'a charge that is lost on its way', method: simulatedMethods.timeoutBeforeCharge, state: PaymentState.SETTLED },
  { name: 'a decline that is retried', method: simulatedMethods.declineThenApprove, state: PaymentState.SETTLED },
  { name: 'a decline for good', method: simulatedMethods.declined, state: PaymentState.DECLINED },
  { name: 'a cancellation between two attempts', method: simulatedMethods.insufficientFunds, cancelAfterMs: 10_000 },
  { name: 'a cancellation of a lost answer', method: simulatedMethods.timeoutAfterCharge, cancelAfterMs: 5_000 },
] as const;

describe('a processor killed between any two of its steps', () => {
  it.each(scenarios)('charges once and comes to an end: $name', async (scenario) => {
    let dieAt = 1;
    for (; ; dieAt++) {
      const cancelAfterMs = 'cancelAfterMs' in scenario ? scenario.cancelAfterMs : undefined;
      const ending = await runWithCrash(scenario.method, dieAt, cancelAfterMs);
      const where = `killed at step ${dieAt}: ${JSON.stringify(ending)}`;
      expect(ending.chargedTwice, where).toEqual([]);
      expect(ending.charges, where).toBe(ending.state === PaymentState.SETTLED ? 1 : 0);
      expect(finalStates.has(ending.state), where).toBe(true);
      if ('state' in scenario) expect(ending.state, where).toBe(scenario.state);
      // Whatever was published twice has the same event id, and nothing else was decided.
      expect(ending.outcomes, where).toHaveLength(1);
      if (!ending.died) break;
    }
    expect(dieAt).toBeGreaterThan(12);
  });
});
