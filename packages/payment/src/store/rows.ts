import { fromStoredTrace, toStoredTrace } from '@paystream/core';
import type { SqlValue } from '@paystream/core/sql';
import { type Attempt, type AttemptStatus, type Payment, type PaymentStatus, wakeAt } from '../payment/payment.ts';

/** A row of `payments`. */
export interface PaymentRow {
  readonly order_id: string;
  readonly merchant_id: string;
  readonly customer_id: string;
  readonly payment_method: string;
  readonly currency: string | null;
  readonly units: number | bigint | null;
  readonly status: PaymentStatus;
  readonly version: number;
  readonly reason: string;
  readonly cancel_reason: string | null;
  readonly refunded_units: number | bigint;
  readonly retry_at: number;
  readonly expires_at: number;
  readonly created_at: number;
  readonly updated_at: number;
  readonly traceparent: string | null;
}

/** A row of `payment_attempts`. */
export interface AttemptRow {
  readonly order_id: string;
  readonly number: number;
  readonly gateway_key: string;
  readonly status: AttemptStatus;
  readonly gateway_id: string;
  readonly decline_code: string;
  readonly created_at: number;
  readonly updated_at: number;
  readonly unknown_since: number;
  readonly lookups: number;
  readonly next_at: number;
  readonly owner: string;
}

export const paymentColumns = [
  'order_id',
  'merchant_id',
  'customer_id',
  'payment_method',
  'currency',
  'units',
  'status',
  'version',
  'reason',
  'cancel_reason',
  'refunded_units',
  'retry_at',
  'expires_at',
  'created_at',
  'updated_at',
  'wake_at',
  'traceparent',
] as const;

export const attemptColumns = [
  'order_id',
  'number',
  'gateway_key',
  'status',
  'gateway_id',
  'decline_code',
  'created_at',
  'updated_at',
  'unknown_since',
  'lookups',
  'next_at',
  'owner',
] as const;

export const newPaymentRow = (payment: Payment): readonly SqlValue[] => [
  payment.orderId,
  payment.merchantId,
  payment.customerId,
  payment.paymentMethod,
  payment.amount?.currency ?? null,
  payment.amount?.units ?? null,
  payment.status,
  payment.version,
  payment.reason,
  payment.cancelReason ?? null,
  payment.refundedUnits,
  payment.retryAtMs,
  payment.expiresAtMs,
  payment.createdAtMs,
  payment.updatedAtMs,
  wakeAt(payment) ?? null,
  toStoredTrace(payment.trace),
];

/** The parameters of the statement `changePayment`. The trace stays the order's. */
export const changedPaymentRow = (payment: Payment, fromVersion: number): readonly SqlValue[] => [
  payment.status,
  payment.version,
  payment.reason,
  payment.cancelReason ?? null,
  payment.refundedUnits,
  payment.retryAtMs,
  payment.updatedAtMs,
  wakeAt(payment) ?? null,
  payment.orderId,
  fromVersion,
];

export const newAttemptRow = (orderId: string, attempt: Attempt): readonly SqlValue[] => [
  orderId,
  attempt.number,
  attempt.gatewayKey,
  attempt.status,
  attempt.gatewayId,
  attempt.declineCode,
  attempt.createdAtMs,
  attempt.updatedAtMs,
  attempt.unknownSinceMs,
  attempt.lookups,
  attempt.nextAtMs,
  attempt.owner,
];

/** The parameters of the statement `changeAttempt`. */
export const changedAttemptRow = (orderId: string, attempt: Attempt): readonly SqlValue[] => [
  attempt.status,
  attempt.gatewayId,
  attempt.declineCode,
  attempt.updatedAtMs,
  attempt.unknownSinceMs,
  attempt.lookups,
  attempt.nextAtMs,
  attempt.owner,
  orderId,
  attempt.number,
];

function attemptOf(row: AttemptRow): Attempt {
  return {
    number: row.number,
    gatewayKey: row.gateway_key,
    status: row.status,
    gatewayId: row.gateway_id,
    declineCode: row.decline_code,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    unknownSinceMs: row.unknown_since,
    lookups: row.lookups,
    nextAtMs: row.next_at,
    owner: row.owner,
  };
}

/** Puts rows together: `attempts` in the order of their numbers, of all payments. */
export function paymentsOf(rows: readonly PaymentRow[], attempts: readonly AttemptRow[]): Map<string, Payment> {
  const byOrder = new Map<string, Attempt[]>();
  for (const row of attempts) {
    const list = byOrder.get(row.order_id);
    if (list === undefined) byOrder.set(row.order_id, [attemptOf(row)]);
    else list.push(attemptOf(row));
  }
  const payments = new Map<string, Payment>();
  for (const row of rows) {
    payments.set(row.order_id, {
      orderId: row.order_id,
      merchantId: row.merchant_id,
      customerId: row.customer_id,
      paymentMethod: row.payment_method,
      amount: row.currency === null ? undefined : { currency: row.currency, units: BigInt(row.units ?? 0) },
      status: row.status,
      version: row.version,
      reason: row.reason,
      cancelReason: row.cancel_reason ?? undefined,
      refundedUnits: BigInt(row.refunded_units),
      retryAtMs: row.retry_at,
      expiresAtMs: row.expires_at,
      createdAtMs: row.created_at,
      updatedAtMs: row.updated_at,
      attempts: byOrder.get(row.order_id) ?? [],
      trace: fromStoredTrace(row.traceparent),
    });
  }
  return payments;
}
