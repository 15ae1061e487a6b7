import { PaystreamError } from '@paystream/core';
import type { OrderState } from '@paystream/core/contracts';
import { type Database, defineStatements, jsonList, type SqlTransaction, type Transaction } from '@paystream/core/sql';
import type { Standing } from '../order/standing.ts';
import { type NewOrder, type OrderRecord, type OrderRow, recordColumns, recordOf } from './order-record.ts';

const newColumns = [
  'order_id',
  'merchant_id',
  'request_id',
  'fingerprint',
  'state',
  'version',
  'payment_version',
  'currency',
  'total',
  'refunded',
  'reason',
  'gateway_charge_id',
  'create_ms',
  'update_ms',
  'terms',
] as const;

const statements = defineStatements(({ tables, dialect }) => ({
  insert: dialect.insertOrIgnore(tables('orders'), newColumns),
  find: `SELECT ${recordColumns} FROM ${tables('orders')} WHERE order_id IN ${dialect.inJson}`,
  findRequests: `SELECT request_id, fingerprint, ${recordColumns} FROM ${tables('orders')} WHERE merchant_id = ? AND request_id IN ${dialect.inJson}`,
  versions: `SELECT order_id, version FROM ${tables('orders')} WHERE order_id IN ${dialect.inJson}`,
  page: `SELECT order_id, state FROM ${tables('orders')} WHERE merchant_id = ? AND order_id < ? ORDER BY order_id DESC LIMIT ?`,
  update: `UPDATE ${tables('orders')} SET state = ?, version = ?, payment_version = ?, refunded = ?, reason = ?, gateway_charge_id = ?, update_ms = ? WHERE order_id = ? AND version = ? ${dialect.oneRow}`,
}));

/** An order with what identifies the request that placed it. */
export interface RequestedOrder {
  readonly requestId: string;
  readonly fingerprint: Uint8Array;
  readonly record: OrderRecord;
}

/** A change of a row that must still be at the version that it was read at. */
export interface OrderChange {
  readonly orderId: string;
  readonly fromVersion: bigint;
  readonly standing: Standing;
}

/** The rows of orders. */
export interface OrderStore {
  /** Inserts those whose merchant and request id are not taken. Tells for each whether it was inserted. */
  insert(tx: Transaction, orders: readonly NewOrder[]): Promise<readonly boolean[]>;
  /** The orders that a merchant's requests have placed. */
  findRequests(executor: SqlTransaction, merchantId: string, requestIds: readonly string[]): Promise<readonly RequestedOrder[]>;
  /** By order id; unknown ones are missing. */
  find(executor: SqlTransaction, orderIds: readonly string[]): Promise<ReadonlyMap<string, OrderRecord>>;
  /** Writes changes. Throws `ABORTED` / `ORDER_CHANGED` if one of the rows has changed since it was read. */
  update(tx: Transaction, changes: readonly OrderChange[]): Promise<void>;
  /** The versions of orders. */
  versions(orderIds: readonly string[]): Promise<ReadonlyMap<string, bigint>>;
  /** Ids and states of a merchant's orders before `beforeId`, newest first. */
  page(merchantId: string, beforeId: string, limit: number): Promise<readonly { readonly orderId: string; readonly state: OrderState }[]>;
  /** Reads outside a transaction. */
  readonly reader: SqlTransaction;
}

/** Makes the store over a database whose schema is up to date. */
export function createOrderStore(database: Database): OrderStore {
  const sql = statements(database);
  const reader: SqlTransaction = {
    execute: async <R>(text: string, parameters?: Parameters<SqlTransaction['execute']>[1]) => ({
      rows: await database.query<R>(text, parameters),
      affected: 0,
    }),
  };
  return {
    reader,
    insert: async (tx, orders) => {
      const rows = orders.map(({ terms, standing, requestId, fingerprint, createMs, bytes }) => [
        terms.orderId,
        terms.merchantId,
        requestId,
        fingerprint,
        standing.state,
        standing.version,
        standing.paymentVersion,
        terms.currency,
        terms.totalUnits,
        standing.refundedUnits,
        standing.reason,
        standing.gatewayChargeId,
        createMs,
        standing.updateMs,
        bytes,
      ]);
      const { affected } = await tx.executeMany(sql.insert, rows);
      return affected.map((count) => count > 0);
    },
    findRequests: async (executor, merchantId, requestIds) => {
      const { rows } = await executor.execute<OrderRow & { request_id: string; fingerprint: Uint8Array }>(sql.findRequests, [
        merchantId,
        jsonList(requestIds),
      ]);
      return rows.map((row) => ({ requestId: row.request_id, fingerprint: row.fingerprint, record: recordOf(row) }));
    },
    find: async (executor, orderIds) => {
      const { rows } = await executor.execute<OrderRow>(sql.find, [jsonList(orderIds)]);
      return new Map(rows.map((row) => [row.order_id, recordOf(row)]));
    },
    update: async (tx, changes) => {
      const rows = changes.map(({ orderId, fromVersion, standing }) => [
        standing.state,
        standing.version,
        standing.paymentVersion,
        standing.refundedUnits,
        standing.reason,
        standing.gatewayChargeId,
        standing.updateMs,
        orderId,
        fromVersion,
      ]);
      const { affected } = await tx.executeMany(sql.update, rows);
      const lost = affected.indexOf(0);
      if (lost < 0) return;
      throw new PaystreamError('ABORTED', `order ${changes[lost]?.orderId} was changed by another at the same time`, {
        reason: 'ORDER_CHANGED',
      });
    },
    versions: async (orderIds) => {
      const rows = await database.query<{ order_id: string; version: number | bigint }>(sql.versions, [jsonList(orderIds)]);
      return new Map(rows.map((row) => [row.order_id, BigInt(row.version)]));
    },
    page: async (merchantId, beforeId, limit) => {
      const rows = await database.query<{ order_id: string; state: OrderState }>(sql.page, [merchantId, beforeId, limit]);
      return rows.map((row) => ({ orderId: row.order_id, state: row.state }));
    },
  };
}
