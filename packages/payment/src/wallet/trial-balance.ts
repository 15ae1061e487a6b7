import { type Database, defineStatements, jsonList } from '@paystream/core/sql';
import type { BalanceRow } from './ledger-rows.ts';

/** The ledger, added up. */
export interface LedgerSums {
  readonly sums: readonly { readonly currency: string; readonly units: bigint }[];
  readonly transfers: number;
  /** Accounts whose balance is not the sum of their postings: `m1/EUR`. At most 100. */
  readonly unbalanced: readonly string[];
}

const pageSize = 1_000;
const maxUnbalanced = 100;
/** How often accounts that are booked meanwhile are added up by ranges before one statement does it. */
const passes = 3;

const statements = defineStatements(({ tables, dialect }) => {
  const transfers = tables('ledger_transfers');
  const balances = tables('ledger_balances');
  const sums = `merchant_id, currency, SUM(clearing) AS clearing, SUM(payable) AS payable, SUM(fees) AS fees, SUM(kind = 'SALE') AS sales,
    COUNT(*) AS transfers FROM ${transfers}`;
  const some = `merchant_id IN ${dialect.inJson}`;
  return {
    end: `SELECT MAX(order_id) AS last_id, COUNT(*) AS looked FROM (SELECT order_id FROM ${transfers} WHERE order_id > ? ORDER BY order_id LIMIT ?) looked`,
    range: `SELECT ${sums} WHERE order_id > ? AND order_id <= ? GROUP BY merchant_id, currency`,
    rest: `SELECT ${sums} WHERE order_id > ? GROUP BY merchant_id, currency`,
    balances: `SELECT * FROM ${balances} WHERE merchant_id >= ? AND (merchant_id > ? OR currency > ?) ORDER BY merchant_id, currency LIMIT ?`,
    unbalanced: `SELECT t.merchant_id, t.currency FROM (SELECT ${sums} WHERE ${some} GROUP BY merchant_id, currency) t
      LEFT JOIN ${balances} b ON b.merchant_id = t.merchant_id AND b.currency = t.currency
      WHERE b.merchant_id IS NULL OR b.clearing <> t.clearing OR b.payable <> t.payable OR b.fees <> t.fees OR b.sales <> t.sales
      UNION SELECT b.merchant_id, b.currency FROM ${balances} b
      LEFT JOIN (SELECT DISTINCT merchant_id, currency FROM ${transfers} WHERE ${some}) t
        ON t.merchant_id = b.merchant_id AND t.currency = b.currency
      WHERE t.merchant_id IS NULL AND b.${some}`,
  };
});

interface Account {
  readonly merchant_id: string;
  readonly currency: string;
}

interface SumsRow extends Account {
  readonly clearing: number | bigint;
  readonly payable: number | bigint;
  readonly fees: number | bigint;
  readonly sales: number | bigint;
  readonly transfers: number;
}

interface Sums extends Account {
  clearing: bigint;
  payable: bigint;
  fees: bigint;
  sales: bigint;
  transfers: number;
}

type Accounts<T> = Map<string, T>;

const keyOf = ({ merchant_id: merchantId, currency }: Account): string => `${merchantId}\n${currency}`;
const nameOf = (key: string): string => key.replace('\n', '/');

function addTo(accounts: Accounts<Sums>, row: SumsRow): void {
  const sums = accounts.get(keyOf(row)) ?? { ...row, clearing: 0n, payable: 0n, fees: 0n, sales: 0n, transfers: 0 };
  sums.clearing += BigInt(row.clearing);
  sums.payable += BigInt(row.payable);
  sums.fees += BigInt(row.fees);
  sums.sales += BigInt(row.sales);
  sums.transfers += row.transfers;
  accounts.set(keyOf(row), sums);
}

function areEqual(sums: Sums | undefined, balance: BalanceRow | undefined): boolean {
  if (sums === undefined || balance === undefined) return false;
  return (['clearing', 'payable', 'fees', 'sales'] as const).every((account) => sums[account] === BigInt(balance[account]));
}

/**
 * Adds up the ledger by ranges of its orders, so that no statement takes the longer the larger it is. Whether an account is
 * right is certain if its balance did not move meanwhile, and if it did and all that it counts was seen. Others are added up
 * again; those that never rest are, at last, by one statement for all of them.
 */
export async function trialBalance(database: Database): Promise<LedgerSums> {
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

  const addUp = async (wanted: (key: string) => boolean): Promise<Accounts<Sums>> => {
    const all: Accounts<Sums> = new Map();
    for (let after = ''; ; ) {
      const [end] = await database.query<{ last_id: string | null; looked: number }>(sql.end, [after, pageSize]);
      const last = end?.looked === pageSize ? end.last_id : null;
      // What is added at the end meanwhile belongs to the last range, or sales that come as fast would never let it end.
      const range = last === null ? database.query<SumsRow>(sql.rest, [after]) : database.query<SumsRow>(sql.range, [after, last]);
      for (const row of await range) if (wanted(keyOf(row))) addTo(all, row);
      if (last === null) return all;
      after = last;
    }
  };

  const wrong = new Set<string>();
  const totals = new Map<string, bigint>();
  let transfers = 0;
  let restless: Set<string> | undefined;
  for (let pass = 0; pass < passes && restless?.size !== 0; pass++) {
    const wanted: ReadonlySet<string> | undefined = restless;
    const isWanted = (key: string): boolean => wanted === undefined || wanted.has(key);
    const before = await readBalances();
    const sums = await addUp(isWanted);
    const after = await readBalances();
    restless = new Set();
    for (const key of new Set([...sums.keys(), ...before.keys(), ...after.keys()])) {
      if (!isWanted(key)) continue;
      const [added, balance] = [sums.get(key), after.get(key)];
      const rested = before.get(key)?.version === balance?.version;
      // A version counts the transfers.
      if (areEqual(added, balance) && (rested || added?.transfers === balance?.version)) continue;
      (rested ? wrong : restless).add(key);
    }
    if (pass > 0) continue;
    for (const { currency, clearing, payable, fees, transfers: count } of sums.values()) {
      totals.set(currency, (totals.get(currency) ?? 0n) + clearing + payable + fees);
      transfers += count;
    }
  }

  if (restless !== undefined && restless.size > 0) {
    const merchants = jsonList(new Set([...restless].map((key) => key.slice(0, key.indexOf('\n')))));
    for (const row of await database.query<Account>(sql.unbalanced, [merchants, merchants, merchants])) {
      if (restless.has(keyOf(row))) wrong.add(keyOf(row));
    }
  }
  return {
    sums: [...totals].sort().map(([currency, units]) => ({ currency, units })),
    transfers,
    unbalanced: [...wrong].sort().slice(0, maxUnbalanced).map(nameOf),
  };
}
