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
const book = (...operations: readonly Operation[]) => world.database.transaction((tx) => ledger.book(tx, operations, 1));
const run = (statement: string) => world.database.transaction((tx) => tx.execute(statement));

const merchants = ['m1', 'm2', 'm3'];
const bookSales = (count: number) =>
  book(...Array.from({ length: count }, (_, n) => operation('SALE', n, merchants[n % 3] ?? '', 10_000n, n % 2 === 0 ? 'EUR' : 'JPY')));

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
    });
    for (const statement of statements) expect(statement).toMatch(/LIMIT|order_id > \?/);
  });

  it('finds an account that does not add up, that has no postings, and that has no balance', async () => {
    await bookSales(2_000);
    const { tables } = world.database;
    await run(
      `UPDATE ${tables('ledger_balances')} SET payable = payable + 1, fees = fees - 1 WHERE merchant_id = 'm1' AND currency = 'EUR'`,
    );
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
    const { tables } = world.database;
    await run(
      `UPDATE ${tables('ledger_balances')} SET payable = payable + 1, fees = fees - 1 WHERE merchant_id = 'm1' AND currency = 'EUR'`,
    );
    let step = 0;
    const restless = ledgerWhile(() => {
      step += 1;
      return book(operation('REFUND', 0, 'm1', BigInt(step)), operation('REFUND', 2, 'm3', BigInt(step)));
    });
    expect((await restless.sums()).unbalanced).toEqual(['m1/EUR']);
  });
});
