import { PaymentState } from '@paystream/core/contracts';
import { createSeededRandom, createTestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { createSimulatedGateway } from '../simulated/index.ts';
import { createWallet } from '../wallet/index.ts';
import { mortal } from './crash-support.ts';
import { createPaymentProcessor } from './processor.ts';
import { createCounterpart } from './test-support.ts';

const behaviours = {
  approve: 60,
  decline: 6,
  'decline-later': 10,
  'time-out-after-charging': 6,
  'time-out-before-charging': 6,
  'error-after-charging': 4,
  'error-before-charging': 4,
  duplicate: 4,
};
const orders = 300;
const outcomeOf = new Map<PaymentState, string>([
  [PaymentState.SETTLED, 'settled'],
  [PaymentState.DECLINED, 'declined'],
  [PaymentState.EXPIRED, 'expired'],
  [PaymentState.CANCELED, 'canceled'],
]);

describe('a random run', () => {
  it.each([1, 2, 3])('with crashes, outages, cancellations and every behaviour breaks no rule of money (seed %i)', async (seed) => {
    const world = await createTestWorld({ seed });
    const { clock } = world;
    const chance = createSeededRandom(seed * 7_919);
    const random = createSeededRandom(seed);
    const other = await createCounterpart(world.broker, clock);
    const gateway = await createSimulatedGateway({
      clock,
      random,
      latencyMs: [0, 3_000],
      behaviours,
      abilities: { visibilityDelayMs: 700 },
    });
    const ports = { database: world.database, broker: world.broker, gateway, clock };
    const start = async () => {
      const process = mortal(ports);
      const processor = await createPaymentProcessor({ ...process, random, policy: { maxConcurrentCalls: 50 } });
      const wallet = await createWallet({ database: process.database, broker: process.broker, clock: process.clock, random });
      return { process, processor, wallet };
    };
    let running = await start();
    const units = new Map<string, bigint>();
    let crashes = 0;
    for (let placed = 0; placed < orders; ) {
      const batch = Array.from({ length: Math.min(10, orders - placed) }, (_, index) => {
        const order = {
          // Some have waited in their topic until their time was up.
          placedAtMs: clock.now() - ((placed + index) % 50 === 0 ? 130_000 : 0),
          orderId: `o${placed + index}`,
          merchantId: `m${Math.floor(chance.next() * 5)}`,
          method: 'pm_any',
          units: BigInt(1 + Math.floor(chance.next() * 50_000)),
        };
        units.set(order.orderId, order.units);
        return order;
      });
      placed += batch.length;
      await other.place(...batch, ...batch.filter(() => chance.next() < 0.1));
      for (const { orderId, merchantId } of batch) if (chance.next() < 0.1) await other.cancel(orderId, merchantId);
      await world.advance(Math.floor(chance.next() * 6_000));
      if (chance.next() < 0.15) gateway.configure({ down: true });
      else gateway.configure({ down: false });
      if (chance.next() < 0.3) {
        crashes += 1;
        running.process.kill();
        running = await start();
      }
    }
    gateway.configure({ down: false, behaviours: { approve: 1 } });
    await world.advance({ hours: 2 });

    const { processor, wallet } = running;
    const book = await gateway.summary();
    expect(crashes).toBeGreaterThan(3);
    expect(book.chargedTwice).toEqual([]);
    const reconciled = await processor.reconcile();
    expect(reconciled.discrepancies).toEqual([]);
    expect(reconciled).toMatchObject({ chargedTwice: 0n, open: 0n, charges: BigInt(book.standing), settled: BigInt(book.standing) });
    let settledUnits = 0n;
    let settled = 0;
    const ends = new Set<PaymentState>();
    for (const [orderId, placedUnits] of units) {
      const payment = await processor.getPayment(orderId);
      const state = payment?.state ?? PaymentState.UNSPECIFIED;
      ends.add(state);
      const decided = other.outcomes(orderId).filter((outcome) => outcome !== 'lateChargeReversed');
      expect(decided, orderId).toEqual([outcomeOf.get(state)]);
      expect(
        other.logs.filter((entry) => entry.orderId === orderId && entry.event === `payment.${decided[0]}`),
        orderId,
      ).toHaveLength(1);
      if (state !== PaymentState.SETTLED) continue;
      settled += 1;
      settledUnits += placedUnits;
      expect(
        other.updates.filter((update) => update.orderId === orderId),
        orderId,
      ).toHaveLength(1);
    }
    expect(ends).toEqual(new Set([PaymentState.SETTLED, PaymentState.DECLINED, PaymentState.CANCELED, PaymentState.EXPIRED]));
    expect(settled).toBeGreaterThan(orders / 2);
    const ledger = await wallet.trialBalance();
    expect(ledger).toEqual({ sums: [{ currency: 'EUR', units: 0n }], transfers: settled, unbalanced: [], unchecked: [] });
    const wallets = (await Promise.all([0, 1, 2, 3, 4].map((merchant) => wallet.getWallet(`m${merchant}`)))).flat();
    expect(wallets.reduce((sum, one) => sum + (one.revenue?.units ?? 0n), 0n)).toBe(settledUnits);
    expect(wallets.reduce((sum, one) => sum + one.sales, 0n)).toBe(BigInt(settled));

    const closed = Promise.all([processor.close(), wallet.close(), other.close()]);
    await world.advance({ seconds: 30 });
    await closed;
    await gateway.close();
    await world[Symbol.asyncDispose]();
  });
});
