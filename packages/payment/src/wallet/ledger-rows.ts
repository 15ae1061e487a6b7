import { type Database, defineStatements } from '@paystream/core/sql';
import type { Operation } from './transfer.ts';

type Name = 'addTransfer' | 'sales' | 'transfers' | 'move' | 'balances' | 'keepEarly' | 'early' | 'salesToChange' | 'dropEarly' | 'ripe';
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
  readonly updated_at: number;
}

/** A row of `ledger_early_refunds`. */
export interface EarlyRow {
  readonly order_id: string;
  readonly operation_id: string;
  readonly merchant_id: string;
  readonly currency: string;
  readonly units: number | bigint;
}
