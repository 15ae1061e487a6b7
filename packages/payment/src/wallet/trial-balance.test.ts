import { PaystreamError } from '@paystream/core';
import type { Database, SqlRow } from '@paystream/core/sql';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLedger, type Ledger } from './ledger.ts';
import { walletMigrations } from './migrations.ts';
import { defaultWalletFees, type Operation } from './transfer.ts';

let world: TestWorld;
let ledger: Ledger;

beforeEach(async () => {
  world = await createTestWorld();
  await world.database.migrate(walletMigrations);
  ledger = createLedger(world.database, defaultWalletFees);
});
afterEach(() => world[Symbol.asyncDispose]());

const operation = (kind: Operation['kind'], n: number, merchantId: string, units: bigint, currency = 'EUR'): Operation => {
  const orderId = `o-${String(n).padStart(6, '0')}`;
  return { kind, orderId, operationId: `${orderId}:${kind}:${units}`, merchantId, amount: { currency, units } };
};
const bookAt = (nowMs: number, ...operations: readonly Operation[]) =>
  world.database.transaction((tx) => ledger.book(tx, operations, nowMs));
const book = (...operations: readonly Operation[]) => bookAt(1, ...operations);
const run = (statement: string) => world.database.transaction((tx) => tx.execute(statement));

const merchants = ['m1', 'm2', 'm3'];
const sales = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => i + from).map((n) =>
    operation('SALE', n, merchants[n % 3] ?? '', 10_000n, n % 2 === 0 ? 'EUR' : 'JPY'),
  );
const bookSales = (count: number) => book(...sales(count));
const spoil = (merchantId: string) =>
  run(
    `UPDATE ${world.database.tables('ledger_balances')} SET payable = payable + 1, fees = fees - 1 WHERE merchant_id = '${merchantId}' AND currency = 'EUR'`,
  );

/** The ledger on a database on which something happens before each statement. */
function ledgerWhile(happens: (statement: string) => Promise<unknown>): Ledger {
  const database: Database = {
    ...world.database,
    query: async <R = SqlRow>(...args: Parameters<Database['query']>) => {
      await happens(args[0]);
      return world.database.query<R>(...args);
    },
  };
  return createLedger(database, defaultWalletFees);
}

describe('the trial balance', () => {
  it('adds up a ledger of any size, no more than a range of its orders in a statement', async () => {
    await bookSales(5_500);
    await book(...Array.from({ length: 300 }, (_, n) => operation('REFUND', n * 6, 'm1', 50n)));
    const statements: string[] = [];
    const observed = ledgerWhile(async (statement) => void statements.push(statement));
    expect(await observed.sums()).toEqual({
      sums: [
        { currency: 'EUR', units: 0n },
        { currency: 'JPY', units: 0n },
      ],
      transfers: 5_800,
      unbalanced: [],
      unchecked: [],
    });
    for (const statement of statements) expect(statement).toMatch(/LIMIT|order_id > \?/);
  });

  it('finds an account that does not add up, that has no postings, and that has no balance', async () => {
    await bookSales(2_000);
    const { tables } = world.database;
    await spoil('m1');
    await run(`UPDATE ${tables('ledger_balances')} SET sales = sales + 1 WHERE merchant_id = 'm1' AND currency = 'JPY'`);
    await run(`DELETE FROM ${tables('ledger_balances')} WHERE merchant_id = 'm2' AND currency = 'JPY'`);
    await run(`UPDATE ${tables('ledger_balances')} SET merchant_id = 'm4' WHERE merchant_id = 'm3' AND currency = 'EUR'`);
    expect((await ledger.sums()).unbalanced).toEqual(['m1/EUR', 'm1/JPY', 'm2/JPY', 'm3/EUR', 'm4/EUR']);
  });

  it.each(['now and then', 'all the time'])('takes no account for wrong that is booked %s while it adds up', async (how) => {
    await bookSales(3_500);
    let step = 0;
    const restless = ledgerWhile(async () => {
      step += 1;
      // Behind what was added up already, and before it.
      if (how === 'all the time' || step % 17 === 3) {
        await book(operation('REFUND', 0, 'm1', BigInt(step)), operation('REFUND', 3_498, 'm1', BigInt(step)));
        await book(operation('SALE', 900_000 + step, 'm2', 500n), operation('SALE', 950_000 + step, 'new', 500n, 'USD'));
      }
    });
    expect((await restless.sums()).unbalanced).toEqual([]);
    expect((await ledger.sums()).unbalanced).toEqual([]);
  });

  it('finds an account that does not add up, also where it is booked all the time', async () => {
    await bookSales(3_500);
    await spoil('m1');
    let step = 0;
    const restless = ledgerWhile(() => {
      step += 1;
      return book(operation('REFUND', 0, 'm1', BigInt(step)), operation('REFUND', 2, 'm3', BigInt(step)));
    });
    expect((await restless.sums()).unbalanced).toEqual(['m1/EUR']);
  });

  /** Says whether a statement adds up all orders at once. */
  const readsAll = (statement: string): boolean => /ledger_transfers/.test(statement) && !/order_id > \?/.test(statement);

  it('needs no statement over all orders where an older one is refunded in each pass', async () => {
    await bookSales(3_500);
    let step = 0;
    const seen: string[] = [];
    const restless = ledgerWhile(async (statement) => {
      seen.push(statement);
      step += 1;
      // Behind the first range, so that its order is not seen again.
      if (/order_id > \? GROUP/.test(statement)) await book(operation('REFUND', 0, 'm1', BigInt(step)));
    });
    expect(await restless.sums()).toMatchObject({ unbalanced: [], unchecked: [] });
    expect(seen.filter(readsAll)).toEqual([]);
  });

  it('needs no statement over all orders for merchants who sell all the time, with orders anywhere among the others', async () => {
    await bookSales(3_500);
    let nowMs = 10_000;
    const seen: string[] = [];
    const restless = ledgerWhile(async (statement) => {
      seen.push(statement);
      nowMs += 10;
      const order = `o-00${nowMs % 7}x${nowMs}`;
      const sale = { ...operation('SALE', 0, 'm1', 700n), orderId: order, operationId: order };
      await bookAt(nowMs, sale, operation('REFUND', 0, 'm1', BigInt(nowMs)), operation('REFUND', 3_498, 'm1', BigInt(nowMs)));
    });
    expect(await restless.sums()).toMatchObject({ unbalanced: [], unchecked: [] });
    expect(seen.filter(readsAll)).toEqual([]);
    await spoil('m1');
    expect(await restless.sums()).toMatchObject({ unbalanced: ['m1/EUR'], unchecked: [] });
  });

  it('gives the sums, and which accounts it could not check, where the statement over all orders takes too long', async () => {
    await bookSales(3_500);
    await spoil('m3');
    let step = 0;
    const restless = ledgerWhile(async (statement) => {
      step += 1;
      if (readsAll(statement)) {
        throw new PaystreamError('UNAVAILABLE', 'the server did not answer in time', { reason: 'MYSQL_STATEMENT_TIMEOUT' });
      }
      // One that was added up already in this pass, and one that is not yet.
      if (/order_id > \? AND order_id <= \?/.test(statement)) {
        await book(operation('REFUND', 0, 'm1', BigInt(step)), operation('REFUND', 3_498, 'm1', BigInt(step)));
      }
    });
    const sums = await restless.sums();
    expect(sums).toMatchObject({ unbalanced: [], unchecked: ['m1/EUR', 'm3/EUR'] });
    expect(sums.sums).toEqual(['EUR', 'JPY'].map((currency) => ({ currency, units: 0n })));
    expect(sums.transfers).toBeGreaterThanOrEqual(3_500);
  });

  it('takes no account for wrong where the orders are read from a node that lags behind', async () => {
    await bookSales(3_500);
    await using lagging = await createTestWorld();
    await lagging.database.migrate(walletMigrations);
    const there = createLedger(lagging.database, defaultWalletFees);
    const replicate = (count: number) => lagging.database.transaction((tx) => there.book(tx, sales(count), 1));
    await replicate(3_490);
    let lists = 0;
    const nodes: Database = {
      ...world.database,
      query: async <R = SqlRow>(...[statement, parameters, how]: Parameters<Database['query']>) => {
        const onlyBalances = !/ledger_transfers/.test(statement);
        // Before and after each pass.
        if (onlyBalances && ++lists === 3) await replicate(3_500);
        const ofNode = onlyBalances ? world.database : lagging.database;
        return ofNode.query<R>(statement, parameters, how);
      },
    };
    expect(await createLedger(nodes, defaultWalletFees).sums()).toMatchObject({ unbalanced: [], unchecked: [] });
    expect(lists).toBeGreaterThan(2);
  });
});
