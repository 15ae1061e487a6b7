import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bindCases, createSeededRandom, createVirtualClock } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import type { ChargeRequest, GatewayAbilities } from '../gateway/port.ts';
import { type GatewaySubject, gatewayAbilityNames, gatewayCases } from '../testing/index.ts';
import { createSimulatedGateway, readSimulatedBook, type SimulatedGateway, simulatedMethods } from './index.ts';

const request = (key: string, change: Partial<ChargeRequest> = {}): ChargeRequest => ({
  key,
  amount: { currency: 'EUR', units: 1_000n },
  paymentMethod: 'pm_any',
  paymentId: key.split(':')[0] ?? key,
  orderId: key,
  merchantId: 'm1',
  customerId: 'c1',
  signal: new AbortController().signal,
  ...change,
});

const variants: readonly { readonly name: string; readonly abilities: Partial<GatewayAbilities> }[] = [
  { name: 'with everything', abilities: {} },
  { name: 'that shows charges late', abilities: { visibilityDelayMs: 2_000 } },
  { name: 'without idempotency', abilities: { idempotent: false } },
  { name: 'with full refunds only', abilities: { refunds: 'full' } },
];

describe.each(variants)('simulated gateway $name', ({ abilities }) => {
  const open = async (): Promise<GatewaySubject & { readonly gateway: SimulatedGateway }> => {
    const clock = createVirtualClock();
    const gateway = await createSimulatedGateway({ clock, random: createSeededRandom(1), abilities });
    const { approved, declined, timeoutAfterCharge } = simulatedMethods;
    return { gateway, methods: { approved, declined, unanswered: timeoutAfterCharge }, wait: clock.advance };
  };
  const names = gatewayAbilityNames({
    abilities: {
      idempotent: true,
      idempotencyWindowMs: 1,
      visibilityDelayMs: 0,
      lookup: true,
      refunds: 'partial',
      listCharges: true,
      capture: 'with-authorization',
      ...abilities,
    },
  });
  for (const bound of bindCases(gatewayCases, {
    abilities: [...names, 'silence'],
    open,
    close: (subject) => (subject.gateway as SimulatedGateway).close(),
  })) {
    it.skipIf(bound.skip !== undefined)(bound.name, () => bound.run());
  }
});

describe('simulated gateway', () => {
  it('keeps its book through a crash', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'paystream-gateway-'));
    try {
      const path = join(directory, 'book.db');
      const gateway = await createSimulatedGateway({ path });
      await gateway.charge(request('a:1', { paymentMethod: simulatedMethods.approved }));
      await gateway.charge(request('b:1', { paymentMethod: simulatedMethods.declined }));
      // What a tool sees while the gateway runs, before anything is closed.
      expect(await readSimulatedBook(path)).toEqual({ charges: 1, standing: 1, declines: 1, chargedTwice: [] });
      await gateway.close();
      const again = await createSimulatedGateway({ path });
      expect(await again.lookup('a:1', new AbortController().signal)).toMatchObject({ outcome: 'approved' });
      await again.close();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('shows a second charge of a payment as a second charge', async () => {
    const gateway = await createSimulatedGateway();
    await gateway.charge(request('pay:1'));
    await gateway.charge(request('pay:2'));
    expect(await gateway.summary()).toEqual({ charges: 2, standing: 2, declines: 0, chargedTwice: ['pay'] });
    await gateway.close();
  });

  it('charges again for a key that it has forgotten', async () => {
    const clock = createVirtualClock();
    const gateway = await createSimulatedGateway({ clock, abilities: { idempotencyWindowMs: 1_000 } });
    await gateway.charge(request('pay:1'));
    await clock.advance(1_000);
    await gateway.charge(request('pay:1'));
    expect((await gateway.summary()).chargedTwice).toEqual(['pay']);
    await gateway.close();
  });

  it('charges twice if the network repeats a request and it is not idempotent, once if it is', async () => {
    const method = { paymentMethod: simulatedMethods.duplicate };
    const careful = await createSimulatedGateway();
    await careful.charge(request('pay:1', method));
    expect((await careful.summary()).charges).toBe(1);
    const careless = await createSimulatedGateway({ abilities: { idempotent: false } });
    await careless.charge(request('pay:1', method));
    expect((await careless.summary()).charges).toBe(2);
    await careful.close();
    await careless.close();
  });

  it('draws behaviours by their weights, the same for the same seed', async () => {
    const run = async (): Promise<string> => {
      const gateway = await createSimulatedGateway({
        random: createSeededRandom(3),
        behaviours: { approve: 6, decline: 3, 'error-before-charging': 1 },
      });
      const ends: string[] = [];
      for (let i = 0; i < 200; i++) {
        ends.push(
          await gateway.charge(request(`p${i}:1`)).then(
            (answer) => answer.outcome,
            () => 'failed',
          ),
        );
      }
      await gateway.close();
      const count = (end: string): number => ends.filter((one) => one === end).length;
      expect(count('approved')).toBeGreaterThan(95);
      expect(count('declined')).toBeGreaterThan(40);
      expect(count('failed')).toBeGreaterThan(8);
      return ends.join();
    };
    expect(await run()).toBe(await run());
  });

  it('answers after its latency, and does nothing at all while it is down', async () => {
    const clock = createVirtualClock();
    const gateway = await createSimulatedGateway({ clock, random: createSeededRandom(1), latencyMs: [100, 200] });
    const call = gateway.charge(request('pay:1'));
    let answered = false;
    void call.then(() => (answered = true));
    await clock.advance(99);
    expect(answered).toBe(false);
    await clock.advance(102);
    expect(answered).toBe(true);
    gateway.configure({ down: true });
    await expect(gateway.charge(request('pay:2'))).rejects.toMatchObject({ reason: 'SIMULATED_FAILURE' });
    await expect(gateway.lookup('pay:1', new AbortController().signal)).rejects.toMatchObject({ reason: 'SIMULATED_FAILURE' });
    expect((await gateway.summary()).charges).toBe(1);
    await gateway.close();
  });
});
