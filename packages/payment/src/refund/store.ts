import { fromStoredTrace, type Money, type TraceContext, toStoredTrace } from '@paystream/core';
import { type Backlog, type Database, defineStatements, type Transaction } from '@paystream/core/sql';
import { mostCounted } from '../store/store.ts';
import { type Refund, type RefundStatus, refundKey } from './refund.ts';

const statements = defineStatements(({ tables, dialect }) => ({
  add: dialect.insertOrIgnore(tables('payment_refunds'), [
    'order_id',
    'request_id',
    'gateway_key',
    'status',
    'units',
    'gateway_id',
    'code',
    'tries',
    'created_at',
    'updated_at',
    'wake_at',
    'traceparent',
  ]),
  change: `UPDATE ${tables('payment_refunds')} SET status = ?, gateway_id = ?, code = ?, tries = ?, updated_at = ?, wake_at = ?
    WHERE order_id = ? AND request_id = ? AND status = ? AND tries = ?`,
  ofOrder: `SELECT r.*, p.currency FROM ${tables('payment_refunds')} r JOIN ${tables('payments')} p ON p.order_id = r.order_id
    WHERE r.order_id = ? ORDER BY r.created_at, r.request_id`,
  due: `SELECT order_id, request_id, traceparent FROM ${tables('payment_refunds')} WHERE wake_at <= ? ORDER BY wake_at LIMIT ?`,
  postpone: `UPDATE ${tables('payment_refunds')} SET wake_at = ? WHERE order_id = ? AND request_id = ? AND wake_at <= ?`,
  nextWake: `SELECT wake_at FROM ${tables('payment_refunds')} WHERE wake_at > 0 ORDER BY wake_at LIMIT 1`,
  waiting: `SELECT COUNT(*) AS waiting, MIN(created_at) AS since FROM (
    SELECT created_at FROM ${tables('payment_refunds')} WHERE wake_at > 0 ORDER BY wake_at LIMIT ${mostCounted}) w`,
}));

interface RefundRow {
  readonly order_id: string;
  readonly request_id: string;
  readonly currency: string;
  readonly status: RefundStatus;
  readonly units: number | bigint;
  readonly gateway_id: string;
  readonly code: string;
  readonly tries: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly wake_at: number | null;
  readonly traceparent: string | null;
}

/** Names a refund. */
export interface RefundName {
  readonly orderId: string;
  readonly requestId: string;
  /** The trace that what is done about it belongs to. */
  readonly trace?: TraceContext | undefined;
}

/** Where refunds lie. */
export interface RefundStore {
  /** The refunds of an order, the oldest first. */
  ofOrder(tx: Transaction | undefined, orderId: string): Promise<readonly Refund[]>;
  add(tx: Transaction, refund: Refund): Promise<void>;
  /** Gives whether the refund was still as it was before. */
  change(tx: Transaction, before: Refund, after: Refund): Promise<boolean>;
  due(nowMs: number, limit: number): Promise<readonly RefundName[]>;
  /** Has a refund come due later whose time has come and that cannot be handled now. */
  postpone(tx: Transaction, refund: RefundName, untilMs: number, nowMs: number): Promise<void>;
  nextWakeMs(): Promise<number | undefined>;
  /** Refunds that the gateway has not answered. */
  waiting(): Promise<Backlog>;
}

function refundOf(row: RefundRow): Refund {
  const amount: Money = { currency: row.currency, units: BigInt(row.units) };
  return {
    orderId: row.order_id,
    requestId: row.request_id,
    operationId: refundKey(row.order_id, row.request_id),
    status: row.status,
    amount,
    gatewayId: row.gateway_id,
    code: row.code,
    tries: row.tries,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    wakeAtMs: row.wake_at ?? undefined,
    trace: fromStoredTrace(row.traceparent),
  };
}

export function createRefundStore(database: Database): RefundStore {
  const sql = statements(database);
  return {
    ofOrder: async (tx, orderId) => {
      const rows =
        tx === undefined
          ? await database.query<RefundRow>(sql.ofOrder, [orderId])
          : (await tx.execute<RefundRow>(sql.ofOrder, [orderId])).rows;
      return rows.map(refundOf);
    },
    add: async (tx, refund) => {
      const { orderId, requestId, operationId, status, amount, gatewayId, code, tries, createdAtMs, updatedAtMs, wakeAtMs } = refund;
      const row = [
        orderId,
        requestId,
        operationId,
        status,
        amount.units,
        gatewayId,
        code,
        tries,
        createdAtMs,
        updatedAtMs,
        wakeAtMs ?? null,
        toStoredTrace(refund.trace),
      ];
      await tx.execute(sql.add, row);
    },
    change: async (tx, before, after) => {
      const { status, gatewayId, code, tries, updatedAtMs, wakeAtMs, orderId, requestId } = after;
      const row = [status, gatewayId, code, tries, updatedAtMs, wakeAtMs ?? null, orderId, requestId, before.status, before.tries];
      return (await tx.execute(sql.change, row)).affected === 1;
    },
    due: async (nowMs, limit) => {
      const rows = await database.query<Pick<RefundRow, 'order_id' | 'request_id' | 'traceparent'>>(sql.due, [nowMs, limit]);
      return rows.map((row) => ({ orderId: row.order_id, requestId: row.request_id, trace: fromStoredTrace(row.traceparent) }));
    },
    postpone: async (tx, { orderId, requestId }, untilMs, nowMs) => {
      await tx.execute(sql.postpone, [untilMs, orderId, requestId, nowMs]);
    },
    nextWakeMs: async () => (await database.query<{ wake_at: number }>(sql.nextWake))[0]?.wake_at,
    waiting: async () => {
      const [row] = await database.query<{ readonly waiting: number; readonly since: number | null }>(sql.waiting);
      return { count: row?.waiting ?? 0, sinceMs: row?.since ?? undefined };
    },
  };
}
