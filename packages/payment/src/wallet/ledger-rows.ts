import { type Database, defineStatements } from '@paystream/core/sql';
import type { Operation } from './transfer.ts';

type Name =
  | 'addTransfer'
  | 'sales'
  | 'transfers'
  | 'move'
  | 'balances'
  | 'keepEarly'
  | 'early'
  | 'salesToChange'
  | 'dropEarly'
  | 'ripe'
  | 'sums'
  | 'unbalanced';
type Statements = (database: Pick<Database, 'tables' | 'dialect'>) => Readonly<Record<Name, string>>;

export const ledgerStatements: Statements = defineStatements(({ tables, dialect }) => ({
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
  early: `SELECT * FROM ${tables('ledger_early_refunds')} WHERE order_id IN ${dialect.inJson} ORDER BY order_id, operation_id ${dialect.forUpdate}`,
  sales: `SELECT order_id FROM ${tables('ledger_transfers')} WHERE order_id IN ${dialect.inJson} AND kind = 'SALE'`,
  salesToChange: `SELECT order_id FROM ${tables('ledger_transfers')} WHERE order_id IN ${dialect.inJson} AND kind = 'SALE'
    ORDER BY order_id, operation_id ${dialect.forUpdate}`,
  dropEarly: `DELETE FROM ${tables('ledger_early_refunds')} WHERE order_id = ? AND operation_id = ?`,
  ripe: `SELECT DISTINCT e.order_id FROM ${tables('ledger_early_refunds')} e
    JOIN ${tables('ledger_transfers')} t ON t.order_id = e.order_id AND t.kind = 'SALE' ORDER BY e.order_id LIMIT 100`,
  sums: `SELECT currency, SUM(clearing + payable + fees) AS units, COUNT(*) AS transfers FROM ${tables('ledger_transfers')}
    GROUP BY currency ORDER BY currency`,
  unbalanced: `SELECT t.merchant_id, t.currency FROM (
      SELECT merchant_id, currency, SUM(clearing) AS clearing, SUM(payable) AS payable, SUM(fees) AS fees, SUM(kind = 'SALE') AS sales
      FROM ${tables('ledger_transfers')} GROUP BY merchant_id, currency) t
    LEFT JOIN ${tables('ledger_balances')} b ON b.merchant_id = t.merchant_id AND b.currency = t.currency
    WHERE b.merchant_id IS NULL OR b.clearing <> t.clearing OR b.payable <> t.payable OR b.fees <> t.fees OR b.sales <> t.sales
    UNION SELECT b.merchant_id, b.currency FROM ${tables('ledger_balances')} b
    LEFT JOIN (SELECT DISTINCT merchant_id, currency FROM ${tables('ledger_transfers')}) t
      ON t.merchant_id = b.merchant_id AND t.currency = b.currency
    WHERE t.merchant_id IS NULL
    ORDER BY 1, 2 LIMIT 100`,
}));

/** A row of `ledger_transfers`. */
export interface TransferRow {
  readonly order_id: string;
  readonly operation_id: string;
  readonly merchant_id: string;
  readonly kind: Operation['kind'];
  readonly currency: string;
  readonly clearing: number | bigint;
}

/** A row of `ledger_balances`. */
export interface BalanceRow {
  readonly merchant_id: string;
  readonly currency: string;
  readonly clearing: number | bigint;
  readonly payable: number | bigint;
  readonly fees: number | bigint;
  readonly sales: number;
  readonly version: number;
}

/** A row of `ledger_early_refunds`. */
export interface EarlyRow {
  readonly order_id: string;
  readonly operation_id: string;
  readonly merchant_id: string;
  readonly currency: string;
  readonly units: number | bigint;
}
