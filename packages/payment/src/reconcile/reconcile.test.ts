import { DiscrepancyKind } from '@paystream/core/contracts';
import type { Database, SqlRow } from '@paystream/core/sql';
import { createSeededRandom, createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Gateway, GatewayCharge } from '../gateway/port.ts';
import { chargeKey } from '../payment/payment.ts';
import type { PaymentProcessor } from '../processor/port.ts';
import { createPaymentProcessor } from '../processor/processor.ts';
import { paymentRpcService } from '../processor/rpc.ts';
import { type Counterpart, createCounterpart } from '../processor/test-support.ts';
import { createSimulatedGateway, type SimulatedGateway } from '../simulated/index.ts';
import { attemptColumns, paymentColumns } from '../store/rows.ts';
import { walletRpcService } from '../wallet/index.ts';
import { reconcile } from './reconcile.ts';

let world: TestWorld;
let other: Counterpart;
let gateway: SimulatedGateway;
let processor: PaymentProcessor;

beforeEach(async () => {
  world = await createTestWorld();
  const { clock, random, broker, database } = world;
  other = await createCounterpart(broker, clock);
  gateway = await createSimulatedGateway({ clock, random });
  processor = await createPaymentProcessor({ database, broker, gateway, clock, random });
  await other.place({ orderId: 'o1' }, { orderId: 'o2', units: 500n, currency: 'USD' }, { orderId: 'o3', method: 'pm_card_declined' });
  await clock.settle();
});
afterEach(async () => {
  const closed = Promise.all([processor.close(), other.close()]);
  await world.advance({ seconds: 30 });
  await closed;
  await gateway.close();
  await world[Symbol.asyncDispose]();
});

const charge = (key: string, paymentId: string, units: bigint) =>
  gateway.charge({
    key,
    paymentId,
    amount: { currency: 'EUR', units },
    paymentMethod: 'pm_card_visa',
    orderId: 'x',
    merchantId: 'm1',
    customerId: 'c1',
    signal: new AbortController().signal,
  });
const run = (statement: string) => world.database.transaction((tx) => tx.execute(statement));

describe('reconciliation', () => {
  it('finds two books that agree to agree', async () => {
    expect(await processor.reconcile()).toMatchObject({
      charges: 2n,
      charged: [
        { currency: 'EUR', units: 1_000n },
        { currency: 'USD', units: 500n },
      ],
      chargedTwice: 0n,
      settled: 2n,
      open: 0n,
      discrepancies: [],
    });
  });

  it('finds a payment that was charged twice, and a charge that is not known here', async () => {
    await charge('pay_o1:charge:2', 'pay_o1', 1_000n);
    await charge('by-hand', '', 77n);
    const result = await processor.reconcile();
    expect(result.chargedTwice).toBe(1n);
    expect(result.discrepancies.map(({ kind, gatewayKey }) => [kind, gatewayKey])).toEqual([
      [DiscrepancyKind.MISSING_HERE, 'by-hand'],
      [DiscrepancyKind.MISSING_HERE, 'pay_o1:charge:2'],
    ]);
  });

  it('finds what the gateway does not know, another amount, another state, and a refund that is not stored here', async () => {
    const { tables } = world.database;
    await run(`UPDATE ${tables('payments')} SET units = 999 WHERE order_id = 'o1'`);
    await run(`UPDATE ${tables('payment_attempts')} SET status = 'DECLINED' WHERE order_id = 'o2'`);
    await run(`UPDATE ${tables('payment_attempts')} SET status = 'APPROVED', gateway_key = 'pay_o3:charge:1' WHERE order_id = 'o3'`);
    const found = (await processor.reconcile()).discrepancies;
    expect(found.map(({ kind, paymentId }) => [kind, paymentId])).toEqual([
      [DiscrepancyKind.AMOUNT, 'pay_o1'],
      [DiscrepancyKind.STATE, 'pay_o2'],
      [DiscrepancyKind.MISSING_AT_GATEWAY, 'pay_o3'],
    ]);
    const refund = { key: 'r', chargeKey: 'pay_o1:charge:1', gatewayId: 'ch_pay_o1:charge:1', amount: { currency: 'EUR', units: 5n } };
    await gateway.refund({ ...refund, signal: new AbortController().signal });
    const again = (await processor.reconcile()).discrepancies;
    expect(again.filter(({ paymentId }) => paymentId === 'pay_o1').map(({ kind }) => kind)).toEqual([
      DiscrepancyKind.AMOUNT,
      DiscrepancyKind.STATE,
    ]);
  });

  it('looks at the period that it is asked about only', async () => {
    const startMs = world.clock.now();
    await world.advance({ minutes: 1 });
    await other.place({ orderId: 'o4' });
    await world.clock.settle();
    expect(await processor.reconcile({ startMs: startMs + 1_000 })).toMatchObject({ charges: 1n, discrepancies: [] });
    expect(await processor.reconcile({ endMs: startMs + 1_000 })).toMatchObject({ charges: 2n, discrepancies: [] });
  });
});

describe('the reconciliation of large books', () => {
  /** An attempt as stored here, of a payment of its order. */
  interface Stored {
    readonly orderId: string;
    readonly number?: number;
    readonly status?: string;
    readonly updatedAtMs?: number;
  }

  async function store(attempts: readonly Stored[]): Promise<void> {
    const { database } = world;
    const insert = (table: string, columns: readonly string[]) => database.dialect.insertOrIgnore(database.tables(table), columns);
    const payments = attempts.map(
      ({ orderId }) => [orderId, 'm1', 'c1', 'pm_card_visa', 'EUR', 100, 'SETTLED', 1, '', null, 0, 0, 0, 1, 1, null] as const,
    );
    const rows = attempts.map(({ orderId, number = 1, status = 'APPROVED', updatedAtMs = 1 }) => {
      return [orderId, number, chargeKey(orderId, number), status, 'ch', '', updatedAtMs, updatedAtMs, 0, 0, 0, ''] as const;
    });
    await database.transaction((tx) => tx.executeMany(insert('payments', paymentColumns), payments));
    await database.transaction((tx) => tx.executeMany(insert('payment_attempts', attemptColumns), rows));
  }

  const listed = (key: string, paymentId: string, refundedUnits = 0n): GatewayCharge => {
    return { key, paymentId, gatewayId: `ch_${key}`, amount: { currency: 'EUR', units: 100n }, refundedUnits, createdAtMs: 1 };
  };

  /** A gateway whose book holds these charges, and how often it was listed. */
  function gatewayOf(charges: readonly GatewayCharge[]): { readonly gateway: Gateway; readonly lists: number } {
    let lists = 0;
    const listing: Gateway = {
      ...gateway,
      listCharges: async function* () {
        lists += 1;
        for (let from = 0; from < charges.length; from += 100) yield charges.slice(from, from + 100);
      },
    };
    return {
      gateway: listing,
      get lists() {
        return lists;
      },
    };
  }

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
    const { gateway: listing } = gatewayOf([listed('pay_today:charge:1', 'pay_today')]);
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
    expect((await reconcile({ database, gateway: gatewayOf([]).gateway }, day)).discrepancies).toEqual([]);
    expect(orders).toBeLessThan(20);
  });

  it('asks the gateway for its list once where the books agree', async () => {
    const orders = Array.from({ length: 2_500 }, (_, i) => `o-${i}`);
    await store(orders.map((orderId) => ({ orderId, updatedAtMs: 1_500 })));
    await store([{ orderId: 'o-1', number: 2, status: 'DECLINED', updatedAtMs: 1_500 }]);
    const agreeing = gatewayOf(orders.map((orderId) => listed(chargeKey(orderId, 1), `pay_${orderId}`)));
    const result = await reconcile({ database: world.database, gateway: agreeing.gateway }, day);
    expect(result).toMatchObject({ charges: 2_500n, chargedTwice: 0n, settled: 2_502n, discrepancies: [] });
    expect(agreeing.lists).toBe(1);
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
      const result = await reconcile({ database: world.database, gateway: gatewayOf(charges).gateway }, day);
      const found = (kind: DiscrepancyKind) => result.discrepancies.filter((one) => one.kind === kind).map(({ gatewayKey }) => gatewayKey);
      expect(found(DiscrepancyKind.MISSING_AT_GATEWAY).sort()).toEqual(
        missing.map(({ orderId, number }) => chargeKey(orderId, number)).sort(),
      );
      expect(result.chargedTwice).toBe(BigInt([...standing.values()].filter((count) => count > 1).length));
      expect(missing.length).toBeGreaterThan(5);
      expect(result.chargedTwice).toBeGreaterThan(5n);
    },
  );

  it('reports no charge that is approved while it runs', async () => {
    await store([{ orderId: 'running', status: 'STARTED', updatedAtMs: 1_500 }]);
    const late: Gateway = {
      ...gateway,
      listCharges: async function* () {
        yield [listed('pay_running:charge:1', 'pay_running')];
        await run(`UPDATE ${world.database.tables('payment_attempts')} SET status = 'APPROVED' WHERE order_id = 'running'`);
        await store([{ orderId: 'begun later', updatedAtMs: 2_500 }]);
      },
    };
    const { discrepancies } = await reconcile({ database: world.database, gateway: late }, day);
    expect(discrepancies.filter(({ kind }) => kind === DiscrepancyKind.MISSING_AT_GATEWAY)).toEqual([]);
  });
});

describe('the payment and wallet services', () => {
  const call = (service: ReturnType<typeof paymentRpcService>, method: string, request: object, merchants: 'all' | ReadonlySet<string>) =>
    (service.implementation as unknown as Record<string, (request: object, context: object) => Promise<Record<string, unknown>>>)[method]?.(
      request,
      { principal: { id: 'shop', merchants } },
    );

  it('show a payment to its own merchant only', async () => {
    const service = paymentRpcService(processor);
    const asked = { orderId: 'o1', merchantId: 'm1' };
    expect(await call(service, 'getPayment', asked, new Set(['m1']))).toMatchObject({
      payment: { orderId: 'o1', attempts: [{ number: 1 }] },
    });
    await expect(call(service, 'getPayment', asked, new Set(['m2']))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(call(service, 'getPayment', { ...asked, merchantId: 'm2' }, 'all')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(call(service, 'getPayment', { ...asked, orderId: 'o9' }, 'all')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('let operators only add up and compare the books of all merchants', async () => {
    const service = paymentRpcService(processor);
    expect(await call(service, 'reconcile', {}, 'all')).toMatchObject({ charges: 2n });
    await expect(call(service, 'reconcile', {}, new Set(['m1']))).rejects.toMatchObject({ reason: 'OPERATORS_ONLY' });
    const wallet = walletRpcService({
      getWallet: async () => [],
      trialBalance: async () => ({ sums: [{ currency: 'EUR', units: 0n }], transfers: 2, unbalanced: [] }),
    });
    expect(await call(wallet, 'getTrialBalance', {}, 'all')).toMatchObject({ transfers: 2n, unbalancedAccounts: [] });
    await expect(call(wallet, 'getTrialBalance', {}, new Set(['m1']))).rejects.toMatchObject({ reason: 'OPERATORS_ONLY' });
    await expect(call(wallet, 'getWallet', { merchantId: 'm2' }, new Set(['m1']))).rejects.toMatchObject({ reason: 'MERCHANT_FORBIDDEN' });
  });
});
