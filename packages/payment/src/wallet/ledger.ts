import { PaystreamError } from '@paystream/core';
import { type Database, defineStatements, jsonList, type Transaction } from '@paystream/core/sql';
import { type Operation, type Transfer, transferOf, type WalletFees } from './transfer.ts';

const statements = defineStatements(({ tables, dialect }) => ({
  addTransfer: dialect.insertOrIgnore(tables('ledger_transfers'), [
    'order_id',
    'operation_id',
    'merchant_id',
    'kind',
    'currency',
    'clearing',
    'payable',
    'fees',
    'booked_at',
  ]),
  transfers: `SELECT * FROM ${tables('ledger_transfers')} WHERE order_id IN ${dialect.inJson}`,
  move: dialect.upsert(
    tables('ledger_balances'),
    ['merchant_id', 'currency', 'clearing', 'payable', 'fees', 'sales', 'version', 'updated_at'],
    ['merchant_id', 'currency'],
    (excluded) =>
      ['clearing', 'payable', 'fees', 'sales', 'version'].map((column) => `${column} = ${column} + ${excluded(column)}`).join(', ') +
      `, updated_at = ${excluded('updated_at')}`,
  ),
  balances: `SELECT * FROM ${tables('ledger_balances')} WHERE merchant_id IN ${dialect.inJson} ORDER BY merchant_id, currency`,
  keepEarly: dialect.insertOrIgnore(tables('ledger_early_refunds'), [
    'order_id',
    'operation_id',
    'merchant_id',
    'currency',
    'units',
    'received_at',
  ]),
  early: `SELECT * FROM ${tables('ledger_early_refunds')} WHERE order_id IN ${dialect.inJson} ORDER BY order_id, operation_id`,
  dropEarly: `DELETE FROM ${tables('ledger_early_refunds')} WHERE order_id = ? AND operation_id = ?`,
  sums: `SELECT currency, SUM(clearing + payable + fees) AS units, COUNT(*) AS transfers FROM ${tables('ledger_transfers')}
    GROUP BY currency ORDER BY currency`,
  unbalanced: `SELECT t.merchant_id, t.currency FROM (
      SELECT merchant_id, currency, SUM(clearing) AS clearing, SUM(payable) AS payable, SUM(fees) AS fees, SUM(kind = 'SALE') AS sales
      FROM ${tables('ledger_transfers')} GROUP BY merchant_id, currency) t
    LEFT JOIN ${tables('ledger_balances')} b ON b.merchant_id = t.merchant_id AND b.currency = t.currency
    WHERE b.merchant_id IS NULL OR b.clearing <> t.clearing OR b.payable <> t.payable OR b.fees <> t.fees OR b.sales <> t.sales
    UNION SELECT b.merchant_id, b.currency FROM ${tables('ledger_balances')} b WHERE NOT EXISTS (
      SELECT 1 FROM ${tables('ledger_transfers')} t WHERE t.merchant_id = b.merchant_id AND t.currency = b.currency)
    ORDER BY 1, 2 LIMIT 100`,
}));

interface TransferRow {
  readonly order_id: string;
  readonly operation_id: string;
  readonly merchant_id: string;
  readonly kind: Operation['kind'];
  readonly currency: string;
  readonly clearing: number | bigint;
}

interface BalanceRow {
  readonly merchant_id: string;
  readonly currency: string;
  readonly clearing: number | bigint;
  readonly payable: number | bigint;
  readonly fees: number | bigint;
  readonly sales: number;
  readonly version: number;
}

interface EarlyRow {
  readonly order_id: string;
  readonly operation_id: string;
  readonly merchant_id: string;
  readonly currency: string;
  readonly units: number | bigint;
}

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

/** The ledger, added up. */
export interface LedgerSums {
  readonly sums: readonly { readonly currency: string; readonly units: bigint }[];
  readonly transfers: number;
  /** Accounts whose balance is not the sum of their postings: `m1/EUR`. At most 100. */
  readonly unbalanced: readonly string[];
}

/** A double-entry ledger: one transfer for each operation, balances that move with it. */
export interface Ledger {
  /**
   * Books operations that are not booked yet, and refunds that waited for one of them. Gives what it booked, in order. A
   * refund whose sale is not there yet is kept, and booked with it.
   *
   * Throws `FAILED_PRECONDITION` / `OPERATION_MISMATCH` for an operation that was booked before with another amount.
   */
  book(tx: Transaction, operations: readonly Operation[], nowMs: number): Promise<readonly Posted[]>;
  balances(merchantId: string): Promise<readonly Balance[]>;
  sums(): Promise<LedgerSums>;
}

const accountOf = (operation: Operation): string => `${operation.merchantId}/${operation.amount.currency}`;
const placeOf = (orderId: string, operationId: string): string => `${orderId}\n${operationId}`;

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

export function createLedger(database: Database, fees: WalletFees): Ledger {
  const sql = statements(database);

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
      throw new PaystreamError(
        'FAILED_PRECONDITION',
        `operation ${transfer.operationId} was booked before with another amount, merchant or kind; nothing was booked now`,
        { reason: 'OPERATION_MISMATCH', details: { operationId: transfer.operationId, orderId: transfer.orderId } },
      );
    }
  };

  /** Parts refunds whose sale is booked from those that came before it. */
  const sortRefunds = async (tx: Transaction, refunds: readonly Operation[], nowMs: number): Promise<readonly Operation[]> => {
    if (refunds.length === 0) return [];
    const { rows } = await tx.execute<TransferRow>(sql.transfers, [jsonList(new Set(refunds.map((refund) => refund.orderId)))]);
    const sold = new Set(rows.filter((row) => row.kind === 'SALE').map((row) => row.order_id));
    const early = refunds.filter((refund) => !sold.has(refund.orderId));
    if (early.length > 0) {
      await tx.executeMany(
        sql.keepEarly,
        early.map(({ orderId, operationId, merchantId, amount }) => [
          orderId,
          operationId,
          merchantId,
          amount.currency,
          amount.units,
          nowMs,
        ]),
      );
    }
    return refunds.filter((refund) => sold.has(refund.orderId));
  };

  const takeEarly = async (tx: Transaction, sales: readonly Transfer[]): Promise<readonly Operation[]> => {
    if (sales.length === 0) return [];
    const { rows } = await tx.execute<EarlyRow>(sql.early, [jsonList(sales.map((sale) => sale.orderId))]);
    if (rows.length === 0) return [];
    await tx.executeMany(
      sql.dropEarly,
      rows.map((row) => [row.order_id, row.operation_id]),
    );
    return rows.map((row) => ({
      kind: 'REFUND',
      operationId: row.operation_id,
      orderId: row.order_id,
      merchantId: row.merchant_id,
      amount: { currency: row.currency, units: BigInt(row.units) },
    }));
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
    // Always in the same order, so that two writers never wait for each other.
    const ordered = [...moves].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
    await tx.executeMany(
      sql.move,
      ordered.map(({ transfer, clearing, payable, fees: kept, sales, count }) => [
        transfer.merchantId,
        transfer.amount.currency,
        clearing,
        payable,
        kept,
        sales,
        count,
        nowMs,
      ]),
    );
    const merchants = new Set(ordered.map(({ transfer }) => transfer.merchantId));
    const { rows } = await tx.execute<BalanceRow>(sql.balances, [jsonList(merchants)]);
    return new Map(rows.map((row) => [`${row.merchant_id}/${row.currency}`, balanceOf(row)]));
  };

  return {
    book: async (tx, operations, nowMs) => {
      const toTransfer = (operation: Operation): Transfer => transferOf(operation, fees);
      const sales = await add(tx, operations.filter((operation) => operation.kind === 'SALE').map(toTransfer), nowMs);
      const due = await sortRefunds(
        tx,
        operations.filter((operation) => operation.kind === 'REFUND'),
        nowMs,
      );
      const refunds = await add(tx, [...due, ...(await takeEarly(tx, sales))].map(toTransfer), nowMs);
      const booked = [...sales, ...refunds];
      return booked.length === 0 ? [] : balancesAfterEach(booked, await move(tx, booked, nowMs));
    },
    balances: async (merchantId) => (await database.query<BalanceRow>(sql.balances, [jsonList([merchantId])])).map(balanceOf),
    sums: async () => {
      const rows = await database.query<{ currency: string; units: number | bigint; transfers: number }>(sql.sums);
      const unbalanced = await database.query<{ merchant_id: string; currency: string }>(sql.unbalanced);
      return {
        sums: rows.map((row) => ({ currency: row.currency, units: BigInt(row.units) })),
        transfers: rows.reduce((sum, row) => sum + row.transfers, 0),
        unbalanced: unbalanced.map((row) => `${row.merchant_id}/${row.currency}`),
      };
    },
  };
}
