import { fromStoredTrace, type TraceContext } from '@paystream/core';
import { type Backlog, type Database, defineStatements, jsonList, type SqlRow, type SqlValue, type Transaction } from '@paystream/core/sql';
import type { Payment } from '../payment/payment.ts';
import {
  type AttemptRow,
  attemptColumns,
  changedAttemptRow,
  changedPaymentRow,
  newAttemptRow,
  newPaymentRow,
  type PaymentRow,
  paymentColumns,
  paymentsOf,
} from './rows.ts';

/** Of more that wait, those are counted whose time comes first. */
export const mostCounted = 10_000;

const statements = defineStatements(({ tables, dialect }) => ({
  addPayment: dialect.insertOrIgnore(tables('payments'), paymentColumns),
  changePayment: `UPDATE ${tables('payments')} SET status = ?, version = ?, reason = ?, cancel_reason = ?, refunded_units = ?, retry_at = ?,
    updated_at = ?, wake_at = ? WHERE order_id = ? AND version = ? ${dialect.oneRow}`,
  addAttempt: dialect.insertOrIgnore(tables('payment_attempts'), attemptColumns),
  changeAttempt: `UPDATE ${tables('payment_attempts')} SET status = ?, gateway_id = ?, decline_code = ?, updated_at = ?, unknown_since = ?,
    lookups = ?, next_at = ?, owner = ? WHERE order_id = ? AND number = ? ${dialect.oneRow}`,
  payments: `SELECT * FROM ${tables('payments')} WHERE order_id IN ${dialect.inJson}`,
  // In the order of their keys, so that two who lock the same ones never wait for each other.
  paymentsToChange: `SELECT * FROM ${tables('payments')} WHERE order_id IN ${dialect.inJson} ORDER BY order_id ${dialect.forUpdate}`,
  attempts: `SELECT * FROM ${tables('payment_attempts')} WHERE order_id IN ${dialect.inJson} ORDER BY order_id, number`,
  due: `SELECT order_id, traceparent FROM ${tables('payments')} WHERE wake_at <= ? ORDER BY wake_at LIMIT ?`,
  // Only when to look at it next: whatever happens to the payment writes its own time.
  postpone: `UPDATE ${tables('payments')} SET wake_at = ? WHERE order_id = ? AND wake_at <= ?`,
  nextWake: `SELECT wake_at FROM ${tables('payments')} WHERE wake_at > 0 ORDER BY wake_at LIMIT 1`,
  // Those that are closed and only watched come later: their time is far off.
  waiting: `SELECT COUNT(*) AS waiting, MIN(created_at) AS since FROM (
      SELECT status, created_at FROM ${tables('payments')} WHERE wake_at > 0 ORDER BY wake_at LIMIT ${mostCounted}) w
    WHERE status = 'PENDING'`,
  underWay: `SELECT p.order_id, p.traceparent FROM ${tables('payments')} p WHERE p.wake_at > 0 AND EXISTS (
      SELECT 1 FROM ${tables('payment_attempts')} a WHERE a.order_id = p.order_id AND a.status = 'STARTED' AND a.owner = ?)
    ORDER BY p.wake_at LIMIT ?`,
}));

/** A change of a payment: from nothing, or from a version. */
export interface PaymentChange {
  readonly before: Payment | undefined;
  readonly after: Payment;
}

/** A payment that is to go on. */
export interface DuePayment {
  readonly orderId: string;
  /** Its order's trace. */
  readonly trace: TraceContext | undefined;
}

interface DueRow {
  readonly order_id: string;
  readonly traceparent: string | null;
}

type Execute = <R = SqlRow>(sql: string, parameters: readonly SqlValue[]) => Promise<readonly R[]>;

/** Where payments lie. */
export interface PaymentStore {
  /** Reads payments with their attempts, by order id: what is committed, or in a transaction, which then has them to itself until its end. */
  load(tx: Transaction | undefined, orderIds: readonly string[]): Promise<Map<string, Payment>>;
  /**
   * Writes changes, each of another payment. Gives for each whether it was written: a new payment is not if there is one of
   * the order, a change is not if the payment has moved on from the version that it starts from.
   */
  write(tx: Transaction, changes: readonly PaymentChange[]): Promise<readonly boolean[]>;
  /** Payments whose time has come, the longest waiting first. */
  due(nowMs: number, limit: number): Promise<readonly DuePayment[]>;
  /** Has a payment come due later whose time has come and that cannot be handled now. */
  postpone(tx: Transaction, orderId: string, untilMs: number, nowMs: number): Promise<void>;
  /** When the next payment's time comes. */
  nextWakeMs(): Promise<number | undefined>;
  /** Payments that are not decided. */
  waiting(): Promise<Backlog>;
  /** Payments with a charge that a processor has sent and that has not ended yet. */
  underWay(owner: string, limit: number): Promise<readonly DuePayment[]>;
}

export function createPaymentStore(database: Database): PaymentStore {
  const sql = statements(database);
  const duePayments = (rows: readonly DueRow[]): readonly DuePayment[] =>
    rows.map((row) => ({ orderId: row.order_id, trace: fromStoredTrace(row.traceparent) }));

  const writeAttempts = async (tx: Transaction, changes: readonly PaymentChange[], written: readonly boolean[]): Promise<void> => {
    const added: (readonly SqlValue[])[] = [];
    const moved: (readonly SqlValue[])[] = [];
    changes.forEach(({ before, after }, index) => {
      if (!written[index] || before?.attempts === after.attempts) return;
      after.attempts.forEach((attempt, position) => {
        const old = before?.attempts[position];
        if (old === undefined) added.push(newAttemptRow(after.orderId, attempt));
        else if (old !== attempt) moved.push(changedAttemptRow(after.orderId, attempt));
      });
    });
    if (added.length > 0) await tx.executeMany(sql.addAttempt, added);
    if (moved.length > 0) await tx.executeMany(sql.changeAttempt, moved);
  };

  return {
    load: async (tx, ids) => {
      const read: Execute =
        tx === undefined
          ? (text, parameters) => database.query(text, parameters)
          : async (text, parameters) => (await tx.execute(text, parameters)).rows as never;
      const list = [jsonList(ids)];
      const payments = await read<PaymentRow>(tx === undefined ? sql.payments : sql.paymentsToChange, list);
      if (payments.length === 0) return new Map();
      return paymentsOf(payments, await read<AttemptRow>(sql.attempts, list));
    },
    write: async (tx, changes) => {
      const written = new Array<boolean>(changes.length).fill(false);
      const additions: number[] = [];
      const updates: number[] = [];
      changes.forEach(({ before }, index) => {
        (before === undefined ? additions : updates).push(index);
      });
      const run = async (
        statement: string,
        indexes: readonly number[],
        row: (change: PaymentChange) => readonly SqlValue[],
      ): Promise<void> => {
        if (indexes.length === 0) return;
        const { affected } = await tx.executeMany(
          statement,
          indexes.map((index) => row(changes[index] as PaymentChange)),
        );
        indexes.forEach((index, position) => {
          written[index] = affected[position] === 1;
        });
      };
      await run(sql.addPayment, additions, ({ after }) => newPaymentRow(after));
      await run(sql.changePayment, updates, ({ before, after }) => changedPaymentRow(after, before?.version ?? 0));
      await writeAttempts(tx, changes, written);
      return written;
    },
    due: async (nowMs, limit) => duePayments(await database.query(sql.due, [nowMs, limit])),
    postpone: async (tx, orderId, untilMs, nowMs) => {
      await tx.execute(sql.postpone, [untilMs, orderId, nowMs]);
    },
    nextWakeMs: async () => {
      const [row] = await database.query<{ readonly wake_at: number }>(sql.nextWake);
      return row?.wake_at;
    },
    waiting: async () => {
      const [row] = await database.query<{ readonly waiting: number; readonly since: number | null }>(sql.waiting);
      return { count: row?.waiting ?? 0, sinceMs: row?.since ?? undefined };
    },
    underWay: async (owner, limit) => duePayments(await database.query(sql.underWay, [owner, limit])),
  };
}
