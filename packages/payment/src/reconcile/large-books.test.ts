import { DiscrepancyKind } from '@paystream/core/contracts';
import type { Database, SqlRow } from '@paystream/core/sql';
import { createSeededRandom, createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Gateway, GatewayCharge } from '../gateway/port.ts';
import { chargeKey } from '../payment/payment.ts';
import { createPaymentProcessor } from '../processor/processor.ts';
import { createSimulatedGateway, type SimulatedGateway } from '../simulated/index.ts';
import { paymentMigrations } from '../store/migrations.ts';
import { reconcile } from './reconcile.ts';
import { gatewayOf, heapInUse, listed, listedOf, type Stored, storeAttempts } from './test-support.ts';

let world: TestWorld;
let gateway: SimulatedGateway;

beforeEach(async () => {
  world = await createTestWorld();
  const { clock, random, database } = world;
  await database.migrate(paymentMigrations);
  gateway = await createSimulatedGateway({ clock, random });
});
afterEach(async () => {
  await gateway.close();
  await world[Symbol.asyncDispose]();
});

const store = (attempts: readonly Stored[]): Promise<void> => storeAttempts(world.database, attempts);

describe('the reconciliation of large books', () => {
  const day = { startMs: 1_000, endMs: 2_000 };

  it('looks at a page in each statement, however many attempts are older', async () => {
    await store(Array.from({ length: 50_000 }, (_, i) => ({ orderId: `old-${i}` })));
    await store([
      { orderId: 'today', updatedAtMs: 1_500 },
      { orderId: 'unknown there', updatedAtMs: 1_999 },
    ]);
    const seen: { readonly statement: string; readonly rows: number }[] = [];
    const database: Database = {
      ...world.database,
      query: async <R = SqlRow>(...[statement, ...rest]: Parameters<Database['query']>) => {
        const rows = await world.database.query<R>(statement, ...rest);
        seen.push({ statement, rows: rows.length });
        return rows;
      },
    };
    const { gateway: listing } = gatewayOf(gateway, [listedOf('today')]);
    const { discrepancies } = await reconcile({ database, gateway: listing }, day);
    expect(discrepancies.map(({ kind, paymentId }) => [kind, paymentId])).toEqual([
      [DiscrepancyKind.MISSING_AT_GATEWAY, 'pay_unknown there'],
    ]);
    for (const { statement, rows } of seen) {
      expect(statement).toMatch(/LIMIT \?| IN \(SELECT/);
      expect(rows).toBeLessThanOrEqual(1_000);
    }
    // What a statement looks at it returns: no rows are passed over to find those of the day.
    const attempts = seen.filter(({ statement }) => /FROM \S*payment_attempts\s+WHERE/.test(statement));
    expect(attempts.reduce((sum, { rows }) => sum + rows, 0)).toBeGreaterThanOrEqual(50_000);
  });

  it('comes to its end while orders come as fast as it reads', async () => {
    let orders = 0;
    const database: Database = {
      ...world.database,
      query: async <R = SqlRow>(...args: Parameters<Database['query']>) => {
        orders += 1;
        if (orders < 5_000) await store([{ orderId: `z-${String(orders).padStart(6, '0')}`, updatedAtMs: 3_000 }]);
        return world.database.query<R>(...args);
      },
    };
    expect((await reconcile({ database, gateway: gatewayOf(gateway, []).gateway }, day)).discrepancies).toEqual([]);
    expect(orders).toBeLessThan(20);
  });

  it('asks the gateway for its list once where the books agree', async () => {
    const orders = Array.from({ length: 2_500 }, (_, i) => `o-${i}`);
    await store(orders.map((orderId) => ({ orderId, updatedAtMs: 1_500 })));
    await store([{ orderId: 'o-1', number: 2, status: 'DECLINED', updatedAtMs: 1_500 }]);
    const agreeing = gatewayOf(gateway, orders.map(listedOf));
    const result = await reconcile({ database: world.database, gateway: agreeing.gateway }, day);
    expect(result).toMatchObject({ charges: 2_500n, chargedTwice: 0n, settled: 2_500n, discrepancies: [] });
    expect(agreeing.periods).toEqual([day]);
  });

  it.each([1, 2, 3, 4])(
    'finds each difference, and each payment that was charged twice, as a comparison in memory does (seed %i)',
    async (seed) => {
      const random = createSeededRandom(seed);
      const chance = (probability: number): boolean => random.next() < probability;
      const attempts: Required<Stored>[] = [];
      const charges: GatewayCharge[] = [];
      for (let i = 0; i < 1_500; i++) {
        for (let number = 1; number <= (chance(0.2) ? 2 : 1); number++) {
          const orderId = `o-${i}`;
          const clean = chance(0.97);
          const status = clean ? (number === 1 ? 'APPROVED' : 'DECLINED') : chance(0.5) ? 'APPROVED' : 'REVERSING';
          const updatedAtMs = chance(0.98) ? 1_500 : 500;
          if (chance(0.99)) attempts.push({ orderId, number, status, updatedAtMs });
          const times = status === 'DECLINED' ? Number(chance(0.01)) : chance(0.98) ? 1 : chance(0.5) ? 2 : 0;
          for (let n = 0; n < times; n++) {
            charges.push(listed(chargeKey(orderId, number), chance(0.9) ? `pay_${orderId}` : '', chance(0.97) ? 0n : 100n));
          }
        }
      }
      charges.sort(() => random.next() - 0.5);
      await store(attempts);
      const standing = new Map<string, number>();
      for (const { key, paymentId, refundedUnits } of charges) {
        if (refundedUnits === 0n) standing.set(paymentId || key, (standing.get(paymentId || key) ?? 0) + 1);
      }
      const keys = new Set(charges.map(({ key }) => key));
      const missing = attempts.filter(
        ({ orderId, number, status, updatedAtMs }) =>
          status !== 'DECLINED' && updatedAtMs === 1_500 && !keys.has(chargeKey(orderId, number)),
      );
      const result = await reconcile({ database: world.database, gateway: gatewayOf(gateway, charges).gateway }, day);
      const found = (kind: DiscrepancyKind) => result.discrepancies.filter((one) => one.kind === kind).map(({ gatewayKey }) => gatewayKey);
      expect(found(DiscrepancyKind.MISSING_AT_GATEWAY).sort()).toEqual(
        missing.map(({ orderId, number }) => chargeKey(orderId, number)).sort(),
      );
      expect(result.chargedTwice).toBe(BigInt([...standing.values()].filter((count) => count > 1).length));
      expect(missing.length).toBeGreaterThan(5);
      expect(result.chargedTwice).toBeGreaterThan(5n);
    },
  );

  /** A gateway that approves 5,000 charges more while it is first listed, when their place in the list has passed. */
  const busyGateway = (charges: readonly GatewayCharge[], updatedAtMs: number) =>
    gatewayOf(gateway, charges, async () => {
      const late = Array.from({ length: 5_000 }, (_, i) => `late-${i}`);
      await store(late.map((orderId) => ({ orderId, updatedAtMs })));
      return late.map(listedOf);
    });

  it.each([50_000, 1_000])(
    'tells of each charge that is missing, however many are approved while it runs (%i keys at once)',
    async (keysAtOnce) => {
      const { database, clock } = world;
      const orders = Array.from({ length: 100 }, (_, i) => `o-${i}`);
      await store(orders.map((orderId) => ({ orderId, updatedAtMs: clock.now() })));
      const busy = busyGateway(orders.slice(20).map(listedOf), clock.now());
      const period = { startMs: 1_000, endMs: clock.now() + 1 };
      const { discrepancies, chargedTwice } = await reconcile({ database, gateway: busy.gateway, keysAtOnce }, period);
      const missing = discrepancies.filter(({ kind }) => kind === DiscrepancyKind.MISSING_AT_GATEWAY).map(({ paymentId }) => paymentId);
      expect(missing.filter((id) => id.startsWith('pay_o-')).sort()).toEqual(
        orders
          .slice(0, 20)
          .map((id) => `pay_${id}`)
          .sort(),
      );
      expect(missing.filter((id) => id.startsWith('pay_late-'))).toEqual([]);
      expect(chargedTwice).toBe(0n);
    },
  );

  it('compares what was charged until it began, where it is asked for a period that is not over', async () => {
    const { database, clock, broker, random } = world;
    const orders = Array.from({ length: 100 }, (_, i) => `o-${i}`);
    await store(orders.map((orderId) => ({ orderId, updatedAtMs: clock.now() })));
    const busy = busyGateway(orders.slice(20).map(listedOf), clock.now() + 2_000);
    const asked = await createPaymentProcessor({ database, broker, gateway: busy.gateway, clock, random });
    const began = clock.now();
    const { discrepancies } = await asked.reconcile({ startMs: 1_000, endMs: began + 86_400_000 });
    const closed = asked.close();
    await world.advance({ seconds: 30 });
    await closed;
    const missing = discrepancies.filter(({ kind }) => kind === DiscrepancyKind.MISSING_AT_GATEWAY).map(({ paymentId }) => paymentId);
    expect(missing.filter((id) => id.startsWith('pay_o-'))).toHaveLength(20);
    for (const { endMs } of busy.periods) expect(endMs).toBe(began + 1);
    // What came later is in no doubt, so that nobody is asked for it again.
    expect(busy.periods).toHaveLength(2);
  });

  it('keeps nothing of charges that are not ours once it has told as many as it tells, and still finds what of ours was charged twice', async () => {
    await store([{ orderId: 'ours' }, { orderId: 'by-hand' }]);
    let heap = 0;
    const foreign = 50_000;
    const shared: Gateway = {
      ...gateway,
      listCharges: async function* () {
        const before = heapInUse();
        for (let from = 0; from < foreign; from += 1_000) {
          yield Array.from({ length: 1_000 }, (_, i) =>
            listed(`charge of another shop ${from + i}`, `payment of another shop ${from + i}`),
          );
        }
        yield [listed('pay_ours:charge:1', 'pay_ours'), listed('pay_ours:charge:2', 'pay_ours')];
        yield [listed('pay_by-hand:charge:1', 'pay_by-hand'), listed('retyped', 'pay_by-hand')];
        heap = Math.max(heap, heapInUse() - before);
      },
    };
    const { discrepancies, chargedTwice, charges } = await reconcile(
      { database: world.database, gateway: shared },
      { startMs: 0, endMs: 2 },
    );
    expect(charges).toBe(50_004n);
    expect(discrepancies).toHaveLength(1_000);
    expect(discrepancies.every(({ kind }) => kind === DiscrepancyKind.MISSING_HERE)).toBe(true);
    expect(chargedTwice).toBe(2n);
    // What is kept of each makes seven.
    expect(heap).toBeLessThan(4_000_000);
  });

  it('reports no charge that is approved while it runs', async () => {
    await store([{ orderId: 'running', status: 'STARTED', updatedAtMs: 1_500 }]);
    const late: Gateway = {
      ...gateway,
      listCharges: async function* () {
        yield [listed('pay_running:charge:1', 'pay_running')];
        await world.database.transaction((tx) =>
          tx.execute(`UPDATE ${world.database.tables('payment_attempts')} SET status = 'APPROVED' WHERE order_id = 'running'`),
        );
        await store([{ orderId: 'begun later', updatedAtMs: 2_500 }]);
      },
    };
    const { discrepancies } = await reconcile({ database: world.database, gateway: late }, day);
    expect(discrepancies.filter(({ kind }) => kind === DiscrepancyKind.MISSING_AT_GATEWAY)).toEqual([]);
  });
});
