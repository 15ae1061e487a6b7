import { type Logger, PaystreamError, silentLogger } from '@paystream/core';
import { type Database, jsonList, type Transaction } from '@paystream/core/sql';
import { type BalanceRow, type EarlyRow, ledgerStatements, type TransferRow } from './ledger-rows.ts';
import { type Operation, type Transfer, transferOf, type WalletFees } from './transfer.ts';
import { type LedgerSums, trialBalance } from './trial-balance.ts';

/** The accounts of a merchant in one currency. */
export interface Balance {
  readonly merchantId: string;
  readonly currency: string;
  readonly clearing: bigint;
  readonly payable: bigint;
  readonly fees: bigint;
  readonly sales: number;
  readonly version: number;
}

/** A transfer that was booked, and the accounts right after it. */
export interface Posted {
  readonly transfer: Transfer;
  readonly balance: Balance;
}

/** A double-entry ledger: one transfer for each operation, balances that move with it. */
export interface Ledger {
  /**
   * Books operations that are not booked yet, and refunds that waited for one of them. Gives what it booked, in order. A
   * refund whose sale is not there yet is kept, and booked with it.
   *
   * Throws `FAILED_PRECONDITION` / `OPERATION_MISMATCH` for an operation that was booked before with another amount, and
   * `FAILED_PRECONDITION` / `BALANCE_OUT_OF_RANGE` for one after which an account would hold more than an amount can.
   */
  book(tx: Transaction, operations: readonly Operation[], nowMs: number): Promise<readonly Posted[]>;
  /** Orders, at most 100, with refunds that are kept though their sale is booked. */
  ripe(): Promise<readonly string[]>;
  /** Books the refunds that are kept of an order whose sale is booked. Gives what it booked; throws as {@link book}. */
  bookKept(tx: Transaction, orderId: string, nowMs: number): Promise<readonly Posted[]>;
  balances(merchantId: string): Promise<readonly Balance[]>;
  sums(): Promise<LedgerSums>;
}

const accountOf = (operation: Operation): string => `${operation.merchantId}/${operation.amount.currency}`;
const placeOf = (orderId: string, operationId: string): string => `${orderId}\n${operationId}`;

/** By key, so that two writers of the same rows never wait for each other. */
const byPlace = (a: Operation, b: Operation): number => (placeOf(a.orderId, a.operationId) < placeOf(b.orderId, b.operationId) ? -1 : 1);

function balanceOf(row: BalanceRow): Balance {
  return {
    merchantId: row.merchant_id,
    currency: row.currency,
    clearing: BigInt(row.clearing),
    payable: BigInt(row.payable),
    fees: BigInt(row.fees),
    sales: row.sales,
    version: row.version,
  };
}

const mismatch = ({ operationId, orderId }: Operation): PaystreamError =>
  new PaystreamError(
    'FAILED_PRECONDITION',
    `operation ${operationId} came before with another amount, merchant or kind; nothing was booked now`,
    { reason: 'OPERATION_MISMATCH', details: { operationId, orderId } },
  );

const largest = 2n ** 63n - 1n;
const accounts = ['clearing', 'payable', 'fees'] as const;
const fits = (sums: Readonly<Record<(typeof accounts)[number], bigint>>): boolean =>
  accounts.every((account) => sums[account] >= -largest && sums[account] <= largest);

/** What the two databases say of a sum of 64 bits that overflows: MySQL that it does, SQLite that the rounded accounts do not add up. */
const ofOverflow: ReadonlySet<string> = new Set(['VALUE_REFUSED', 'CONSTRAINT_VIOLATION']);

const outOfRange = (merchantIds: Iterable<string>, cause?: unknown): PaystreamError =>
  new PaystreamError(
    'FAILED_PRECONDITION',
    `a balance of ${[...merchantIds].map((id) => `"${id}"`).join(', ')} would be beyond what an amount can hold; nothing was booked`,
    { reason: 'BALANCE_OUT_OF_RANGE', ...(cause === undefined ? {} : { cause }) },
  );

/** The accounts after each transfer, reckoned back from what they are after all of them. */
function balancesAfterEach(transfers: readonly Transfer[], final: ReadonlyMap<string, Balance>): readonly Posted[] {
  const posted = new Array<Posted>(transfers.length);
  const running = new Map(final);
  for (let index = transfers.length - 1; index >= 0; index--) {
    const transfer = transfers[index] as Transfer;
    const account = accountOf(transfer);
    const balance = running.get(account) as Balance;
    posted[index] = { transfer, balance };
    running.set(account, {
      ...balance,
      clearing: balance.clearing - transfer.clearing,
      payable: balance.payable - transfer.payable,
      fees: balance.fees - transfer.fees,
      sales: balance.sales - (transfer.kind === 'SALE' ? 1 : 0),
      version: balance.version - 1,
    });
  }
  return posted;
}

export function createLedger(database: Database, fees: WalletFees, logger: Logger = silentLogger): Ledger {
  const sql = ledgerStatements(database);

  /** Adds what is new; throws for what is there with other content. */
  const add = async (tx: Transaction, transfers: readonly Transfer[], nowMs: number): Promise<readonly Transfer[]> => {
    if (transfers.length === 0) return [];
    const { affected } = await tx.executeMany(
      sql.addTransfer,
      transfers.map((transfer) => [
        transfer.orderId,
        transfer.operationId,
        transfer.merchantId,
        transfer.kind,
        transfer.amount.currency,
        transfer.clearing,
        transfer.payable,
        transfer.fees,
        nowMs,
      ]),
    );
    const repeated = transfers.filter((_, index) => affected[index] !== 1);
    if (repeated.length > 0) await checkRepeated(tx, repeated);
    return transfers.filter((_, index) => affected[index] === 1);
  };

  const checkRepeated = async (tx: Transaction, repeated: readonly Transfer[]): Promise<void> => {
    const { rows } = await tx.execute<TransferRow>(sql.transfers, [jsonList(repeated.map((transfer) => transfer.orderId))]);
    const stored = new Map(rows.map((row) => [placeOf(row.order_id, row.operation_id), row]));
    for (const transfer of repeated) {
      const row = stored.get(placeOf(transfer.orderId, transfer.operationId));
      // Fees may have been set anew since: what the customer paid is what must be the same.
      const same =
        row?.kind === transfer.kind &&
        row.merchant_id === transfer.merchantId &&
        row.currency === transfer.amount.currency &&
        BigInt(row.clearing) === transfer.clearing;
      if (same) continue;
      throw mismatch(transfer);
    }
  };

  /** Keeps refunds until their sale comes; throws for one that is kept with another amount. */
  const keepEarly = async (tx: Transaction, early: readonly Operation[], nowMs: number): Promise<void> => {
    const { affected } = await tx.executeMany(
      sql.keepEarly,
      early.map(({ orderId, operationId, merchantId, amount }) => [orderId, operationId, merchantId, amount.currency, amount.units, nowMs]),
    );
    const repeated = early.filter((_, index) => affected[index] !== 1);
    if (repeated.length === 0) return;
    const { rows } = await tx.execute<EarlyRow>(sql.early, [jsonList(repeated.map((refund) => refund.orderId))]);
    const kept = new Map(rows.map((row) => [placeOf(row.order_id, row.operation_id), row]));
    for (const refund of repeated) {
      const row = kept.get(placeOf(refund.orderId, refund.operationId));
      const same =
        row?.merchant_id === refund.merchantId && row.currency === refund.amount.currency && BigInt(row.units) === refund.amount.units;
      if (!same) throw mismatch(refund);
    }
  };

  /** Which of the operations' orders have a booked sale. */
  const soldOf = async (tx: Transaction, statement: string, operations: readonly Operation[]): Promise<ReadonlySet<string>> => {
    const { rows } = await tx.execute<Pick<TransferRow, 'order_id'>>(statement, [
      jsonList(new Set(operations.map((operation) => operation.orderId))),
    ]);
    return new Set(rows.map((row) => row.order_id));
  };

  const dropEarly = (tx: Transaction, operations: readonly Operation[]) =>
    tx.executeMany(
      sql.dropEarly,
      operations.map(({ orderId, operationId }) => [orderId, operationId]),
    );

  /** Parts refunds whose sale is booked from those that came before it, and keeps these. */
  const sortRefunds = async (tx: Transaction, refunds: readonly Operation[], nowMs: number): Promise<readonly Operation[]> => {
    if (refunds.length === 0) return [];
    const sold = await soldOf(tx, sql.sales, refunds);
    const due = refunds.filter((refund) => sold.has(refund.orderId));
    const early = refunds.filter((refund) => !sold.has(refund.orderId));
    if (early.length === 0) return due;
    await keepEarly(tx, early, nowMs);
    if (database.exclusive) return due;
    // A sale may be booked meanwhile. Who books it adds it and then takes what is kept, here it is the other way round, and
    // both wait for what the other has added: so at least one of them sees the other's.
    const soldMeanwhile = await soldOf(tx, sql.salesToChange, early);
    const late = early.filter((refund) => soldMeanwhile.has(refund.orderId));
    if (late.length > 0) await dropEarly(tx, late);
    return [...due, ...late];
  };

  const takeEarly = async (tx: Transaction, orderIds: readonly string[]): Promise<readonly Operation[]> => {
    if (orderIds.length === 0) return [];
    const { rows } = await tx.execute<EarlyRow>(sql.early, [jsonList(orderIds)]);
    if (rows.length === 0) return [];
    const operations = rows.map(
      (row): Operation => ({
        kind: 'REFUND',
        operationId: row.operation_id,
        orderId: row.order_id,
        merchantId: row.merchant_id,
        amount: { currency: row.currency, units: BigInt(row.units) },
      }),
    );
    await dropEarly(tx, operations);
    return operations;
  };

  const move = async (tx: Transaction, transfers: readonly Transfer[], nowMs: number): Promise<ReadonlyMap<string, Balance>> => {
    const moves = new Map<string, { transfer: Transfer; clearing: bigint; payable: bigint; fees: bigint; sales: number; count: number }>();
    for (const transfer of transfers) {
      const account = accountOf(transfer);
      const sum = moves.get(account) ?? { transfer, clearing: 0n, payable: 0n, fees: 0n, sales: 0, count: 0 };
      sum.clearing += transfer.clearing;
      sum.payable += transfer.payable;
      sum.fees += transfer.fees;
      sum.sales += transfer.kind === 'SALE' ? 1 : 0;
      sum.count += 1;
      moves.set(account, sum);
    }
    const merchants = new Set(transfers.map(({ merchantId }) => merchantId));
    if (![...moves.values()].every(fits)) throw outOfRange(merchants);
    // Always in the same order, so that two writers never wait for each other.
    const ordered = [...moves].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
    const rows = ordered.map(({ transfer, clearing, payable, fees: kept, sales, count }) => [
      transfer.merchantId,
      transfer.amount.currency,
      clearing,
      payable,
      kept,
      sales,
      count,
      nowMs,
    ]);
    await tx.executeMany(sql.move, rows).catch((error: unknown) => {
      throw ofOverflow.has(PaystreamError.from(error).reason) ? outOfRange(merchants, error) : error;
    });
    const balances = (await tx.execute<BalanceRow>(sql.balances, [jsonList(merchants)])).rows.map(balanceOf);
    // Where rounded accounts happen to add up, SQLite takes them.
    if (!balances.every(fits)) throw outOfRange(merchants);
    return new Map(balances.map((balance) => [`${balance.merchantId}/${balance.currency}`, balance]));
  };

  const toTransfer = (operation: Operation): Transfer => transferOf(operation, fees);
  const post = async (tx: Transaction, booked: readonly Transfer[], nowMs: number): Promise<readonly Posted[]> =>
    booked.length === 0 ? [] : balancesAfterEach(booked, await move(tx, booked, nowMs));

  return {
    book: async (tx, operations, nowMs) => {
      const inOrder = (some: Operation[]): readonly Operation[] => (database.exclusive ? some : some.sort(byPlace));
      const ofKind = (kind: Operation['kind']) => inOrder(operations.filter((operation) => operation.kind === kind));
      const sales = await add(tx, ofKind('SALE').map(toTransfer), nowMs);
      const due = await sortRefunds(tx, ofKind('REFUND'), nowMs);
      const sold = sales.map(({ orderId }) => orderId);
      const refunds = await add(tx, inOrder([...due, ...(await takeEarly(tx, sold))]).map(toTransfer), nowMs);
      return post(tx, [...sales, ...refunds], nowMs);
    },
    ripe: async () => (await database.query<Pick<EarlyRow, 'order_id'>>(sql.ripe)).map((row) => row.order_id),
    bookKept: async (tx, orderId, nowMs) => {
      const kept = await takeEarly(tx, [orderId]);
      return post(tx, await add(tx, kept.map(toTransfer), nowMs), nowMs);
    },
    balances: async (merchantId) => (await database.query<BalanceRow>(sql.balances, [jsonList([merchantId])])).map(balanceOf),
    sums: () => trialBalance(database, logger),
  };
}
