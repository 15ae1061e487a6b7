import type { BalanceRow } from './ledger-rows.ts';

/** An account: a merchant's in one currency. */
export interface Account {
  readonly merchant_id: string;
  readonly currency: string;
}

/** Transfers of an account in a range of orders that were booked at one time. */
export interface SumsRow extends Account {
  /** When, in milliseconds since the epoch; 0 for those of long ago. */
  readonly booked: number;
  readonly clearing: number | bigint;
  readonly payable: number | bigint;
  readonly fees: number | bigint;
  readonly sales: number | bigint;
  readonly transfers: number;
}

interface Sums {
  clearing: bigint;
  payable: bigint;
  fees: bigint;
  sales: bigint;
  transfers: number;
}

/** What was seen of an account's transfers. */
export interface Seen {
  readonly currency: string;
  readonly all: Readonly<Sums>;
  /** The same by when it was booked. */
  readonly booked: ReadonlyMap<number, Readonly<Sums>>;
}

/** Something of each account, by {@link keyOf}. */
export type Accounts<T> = Map<string, T>;

export const keyOf = ({ merchant_id: merchantId, currency }: Account): string => `${merchantId}\n${currency}`;
export const merchantOf = (key: string): string => key.slice(0, key.indexOf('\n'));
export const nameOf = (key: string): string => key.replace('\n', '/');

const nothing = (): Sums => ({ clearing: 0n, payable: 0n, fees: 0n, sales: 0n, transfers: 0 });

function add(sums: Sums, more: Omit<SumsRow, 'merchant_id' | 'currency' | 'booked'> | Sums): void {
  sums.clearing += BigInt(more.clearing);
  sums.payable += BigInt(more.payable);
  sums.fees += BigInt(more.fees);
  sums.sales += BigInt(more.sales);
  sums.transfers += more.transfers;
}

function areEqual(sums: Sums, balance: BalanceRow): boolean {
  return (['clearing', 'payable', 'fees', 'sales'] as const).every((account) => sums[account] === BigInt(balance[account]));
}

/** Adds transfers up by account. */
export interface Addition {
  readonly accounts: Accounts<Seen>;
  /** How many sums it keeps that are of one time only. */
  readonly times: number;
  add(row: SumsRow): void;
}

export function createAddition(): Addition {
  const accounts = new Map<string, { readonly currency: string; readonly all: Sums; readonly booked: Map<number, Sums> }>();
  let times = 0;
  return {
    accounts,
    get times() {
      return times;
    },
    add: (row) => {
      const { currency, booked: bookedMs } = row;
      const seen = accounts.get(keyOf(row)) ?? { currency, all: nothing(), booked: new Map<number, Sums>() };
      accounts.set(keyOf(row), seen);
      add(seen.all, row);
      let ofTime = seen.booked.get(bookedMs);
      if (ofTime === undefined) {
        times += 1;
        ofTime = nothing();
        seen.booked.set(bookedMs, ofTime);
      }
      add(ofTime, row);
    },
  };
}

/**
 * Whether what was seen of an account makes up its balance, before which nothing was seen yet and after which nothing more. If
 * it did not move meanwhile, all that was seen must. If it did, its version tells how many transfers it counts: of the balance
 * after, they are all that were seen; of the one before, those that were booked first, for what came later was booked later.
 */
export function makesUp(seen: Seen | undefined, before: BalanceRow | undefined, after: BalanceRow | undefined): boolean {
  if (seen === undefined || after === undefined) return false;
  if (before?.version === after.version) return areEqual(seen.all, after);
  if (seen.all.transfers === after.version) return areEqual(seen.all, after);
  if (before === undefined) return false;
  const sums = nothing();
  for (const [, some] of [...seen.booked].sort(([a], [b]) => a - b)) {
    if (sums.transfers >= before.version) break;
    add(sums, some);
  }
  return sums.transfers === before.version && areEqual(sums, before);
}
