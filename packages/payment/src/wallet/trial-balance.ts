import { type Logger, PaystreamError } from '@paystream/core';
import { type Database, defineStatements, jsonList } from '@paystream/core/sql';
import {
  type Account,
  type Accounts,
  type Addition,
  createAddition,
  keyOf,
  makesUp,
  merchantOf,
  nameOf,
  type SumsRow,
} from './account-sums.ts';
import type { BalanceRow } from './ledger-rows.ts';

/** The ledger, added up. */
export interface LedgerSums {
  readonly sums: readonly { readonly currency: string; readonly units: bigint }[];
  readonly transfers: number;
  /** Accounts whose balance is not the sum of their postings: `m1/EUR`. At most 100. */
  readonly unbalanced: readonly string[];
  /**
   * Accounts of which nobody can say: they did not add up range by range, which may be since they are booked all the time, and
   * the one statement that reads all of their postings at once failed, as it does where it takes longer than it may. At most 100.
   */
  readonly unchecked: readonly string[];
}

const pageSize = 1_000;
const maxTold = 100;
/** How often accounts that do not add up are added up by ranges before one statement does it. */
const passes = 3;
/** For how long before the last booking that is seen others may be under way that began before it, in milliseconds. */
const underWayMs = 5_000;
/** How many sums of transfers that were booked at one time are kept; further ones count as booked long ago. */
const maxTimes = 100_000;

const statements = defineStatements(({ tables, dialect }) => {
  const transfers = tables('ledger_transfers');
  const balances = tables('ledger_balances');
  const sums = 'SUM(clearing) AS clearing, SUM(payable) AS payable, SUM(fees) AS fees';
  const sales = `SUM(kind = 'SALE') AS sales`;
  const range = `SELECT merchant_id, currency, CASE WHEN booked_at < ? THEN 0 ELSE booked_at END AS booked, ${sums}, ${sales},
    COUNT(*) AS transfers FROM ${transfers}`;
  const some = `merchant_id IN ${dialect.inJson}`;
  return {
    end: `SELECT MAX(order_id) AS last_id, COUNT(*) AS looked FROM (SELECT order_id FROM ${transfers} WHERE order_id > ? ORDER BY order_id LIMIT ?) looked`,
    range: `${range} WHERE order_id > ? AND order_id <= ? GROUP BY merchant_id, currency, booked`,
    rest: `${range} WHERE order_id > ? GROUP BY merchant_id, currency, booked`,
    balances: `SELECT * FROM ${balances} WHERE merchant_id >= ? AND (merchant_id > ? OR currency > ?) ORDER BY merchant_id, currency LIMIT ?`,
    // Both sides of one moment, and the larger one read once.
    unbalanced: `SELECT merchant_id, currency FROM (
        SELECT merchant_id, currency, ${sums}, ${sales} FROM ${transfers} WHERE ${some} GROUP BY merchant_id, currency
        UNION ALL SELECT merchant_id, currency, -clearing, -payable, -fees, -sales FROM ${balances} WHERE ${some}
      ) sides GROUP BY merchant_id, currency
      HAVING COUNT(*) <> 2 OR SUM(clearing) <> 0 OR SUM(payable) <> 0 OR SUM(fees) <> 0 OR SUM(sales) <> 0`,
  };
});

const told = (keys: Iterable<string>): readonly string[] => [...keys].sort().slice(0, maxTold).map(nameOf);

/**
 * Adds up the ledger by ranges of its orders, so that no statement takes the longer the larger it is. An account is right if
 * what was seen of it makes up its balance. If not it may have been booked meanwhile, or be read from several nodes of which one
 * lags behind: it is added up again, and is wrong only if one statement says so, which sees all of it as of one moment.
 */
export async function trialBalance(database: Database, logger: Logger): Promise<LedgerSums> {
  const sql = statements(database);

  const readBalances = async (): Promise<Accounts<BalanceRow>> => {
    const all: Accounts<BalanceRow> = new Map();
    let after: Account | undefined = { merchant_id: '', currency: '' };
    while (after !== undefined) {
      const { merchant_id: merchantId, currency } = after;
      const page: readonly BalanceRow[] = await database.query<BalanceRow>(sql.balances, [merchantId, merchantId, currency, pageSize]);
      for (const row of page) all.set(keyOf(row), row);
      after = page.length < pageSize ? undefined : page.at(-1);
    }
    return all;
  };

  const addUp = async (wanted: (key: string) => boolean, lateMs: number): Promise<Addition> => {
    const addition = createAddition();
    for (let after = ''; ; ) {
      const [end] = await database.query<{ last_id: string | null; looked: number }>(sql.end, [after, pageSize]);
      const last = end?.looked === pageSize ? end.last_id : null;
      const fromMs = addition.times < maxTimes ? lateMs : Number.MAX_SAFE_INTEGER;
      // What is added at the end meanwhile belongs to the last range, or sales that come as fast would never let it end.
      const [statement, range] = last === null ? [sql.rest, [after]] : [sql.range, [after, last]];
      for (const row of await database.query<SumsRow>(statement, [fromMs, ...range])) if (wanted(keyOf(row))) addition.add(row);
      if (last === null) return addition;
      after = last;
    }
  };

  const totals = new Map<string, bigint>();
  let transfers = 0;
  let restless: Set<string> | undefined;
  for (let pass = 0; pass < passes && restless?.size !== 0; pass++) {
    const wanted: ReadonlySet<string> | undefined = restless;
    const isWanted = (key: string): boolean => wanted === undefined || wanted.has(key);
    const before = await readBalances();
    let bookedMs = 0;
    for (const { updated_at: updatedMs } of before.values()) bookedMs = Math.max(bookedMs, updatedMs);
    const { accounts } = await addUp(isWanted, bookedMs - underWayMs);
    const after = await readBalances();
    restless = new Set();
    for (const key of new Set([...accounts.keys(), ...before.keys(), ...after.keys()])) {
      if (isWanted(key) && !makesUp(accounts.get(key), before.get(key), after.get(key))) restless.add(key);
    }
    if (pass > 0) continue;
    for (const { currency, all } of accounts.values()) {
      totals.set(currency, (totals.get(currency) ?? 0n) + all.clearing + all.payable + all.fees);
      transfers += all.transfers;
    }
  }

  const sums = [...totals].sort().map(([currency, units]) => ({ currency, units }));
  if (restless === undefined || restless.size === 0) return { sums, transfers, unbalanced: [], unchecked: [] };
  try {
    const merchants = jsonList(new Set([...restless].map(merchantOf)));
    const wrong = new Set((await database.query<Account>(sql.unbalanced, [merchants, merchants])).map(keyOf));
    return { sums, transfers, unbalanced: told([...restless].filter((key) => wrong.has(key))), unchecked: [] };
  } catch (error) {
    if (!PaystreamError.is(error)) throw error;
    logger.warn({ err: error, accounts: restless.size }, 'accounts that do not add up range by range could not be added up at once');
    return { sums, transfers, unbalanced: [], unchecked: told(restless) };
  }
}
