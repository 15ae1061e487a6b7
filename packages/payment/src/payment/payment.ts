import type { Money, TraceContext } from '@paystream/core';
import type { DeclineClass } from '../gateway/port.ts';

/**
 * Where a payment stands.
 *
 * `PENDING` until it is decided; `IN_REVIEW` when a person has to decide. All others are closed: from them only refunds lead
 * on (`SETTLED` → `PARTIALLY_REFUNDED` → `REFUNDED`), and into review a late charge that cannot be given back.
 */
export type PaymentStatus = 'PENDING' | 'SETTLED' | 'DECLINED' | 'EXPIRED' | 'CANCELED' | 'IN_REVIEW' | 'PARTIALLY_REFUNDED' | 'REFUNDED';

/**
 * How an attempt stands.
 * - `STARTED`: stored; the call may or may not have left.
 * - `UNKNOWN`: no clear answer came; the gateway is asked again.
 * - `APPROVED`, `DECLINED`: the gateway's word.
 * - `NOT_CHARGED`: the gateway did not know it when the payment was closed; watched for a while.
 * - `REVERSING`: charged when it must not be any more; being given back.
 * - `REVERSED`: given back.
 */
export type AttemptStatus = 'STARTED' | 'UNKNOWN' | 'APPROVED' | 'DECLINED' | 'NOT_CHARGED' | 'REVERSING' | 'REVERSED';

/** One attempt to charge. Times are in milliseconds since the epoch. */
export interface Attempt {
  /** 1 for the first, then one more each. */
  readonly number: number;
  /** Permanent: made from the payment, the operation and the number. */
  readonly gatewayKey: string;
  readonly status: AttemptStatus;
  /** The gateway's id of the charge; empty if it gave none. */
  readonly gatewayId: string;
  /** Empty unless declined. */
  readonly declineCode: string;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** When it, or its reversal, became unknown; 0 while it is not. */
  readonly unknownSinceMs: number;
  /** How many of the planned look-ups were made since then; those between them, of a payment that is not decided, do not count. */
  readonly lookups: number;
  /** When something is to be done about it if nothing has happened until then; 0 for never. */
  readonly nextAtMs: number;
  /** The processor that began the call under way, or the last one; empty where no other can share the database. */
  readonly owner: string;
}

/** A payment: of one order, with its attempts. Times are in milliseconds since the epoch. */
export interface Payment {
  readonly orderId: string;
  readonly merchantId: string;
  readonly customerId: string;
  readonly paymentMethod: string;
  /** `undefined` only where the order was cancelled before it was seen. */
  readonly amount: Money | undefined;
  readonly status: PaymentStatus;
  /** Grows by one with each change; starts at 1. */
  readonly version: number;
  /** Why it ended as it did; empty while pending and when settled. */
  readonly reason: string;
  /** Why it was asked to be cancelled; `undefined` if it was not. */
  readonly cancelReason: string | undefined;
  readonly refundedUnits: bigint;
  /** When the next attempt starts; 0 unless it waits for that. */
  readonly retryAtMs: number;
  readonly expiresAtMs: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  readonly attempts: readonly Attempt[];
  /** The trace that what happens to it belongs to: its order's, which alone is stored, until a step that begins by itself has one of its own. */
  readonly trace?: TraceContext | undefined;
}

/** The id of an order's payment: there is one for each order, so it is made from the order's. */
export const paymentIdOf = (orderId: string): string => `pay_${orderId}`;

/** Reads what {@link paymentIdOf} writes: the order's id; `undefined` for anything else. */
export const readPaymentId = (paymentId: string): string | undefined => /^pay_(.+)$/.exec(paymentId)?.[1];

/** The gateway key of an attempt, and the id of the operation in the ledger if it succeeds. */
export const chargeKey = (orderId: string, attempt: number): string => `pay_${orderId}:charge:${attempt}`;

/** The gateway key of giving back an attempt that must not have succeeded. */
export const reversalKey = (orderId: string, attempt: number): string => `pay_${orderId}:reverse:${attempt}`;

/** Reads what {@link chargeKey} writes; `undefined` for anything else. */
export function readChargeKey(key: string): { readonly orderId: string; readonly attempt: number } | undefined {
  const [, orderId, attempt] = /^pay_(.+):charge:([1-9]\d*)$/.exec(key) ?? [];
  return orderId === undefined ? undefined : { orderId, attempt: Number(attempt) };
}

/** When something is to be done about a payment if nothing has happened until then; `undefined` for never. */
export function wakeAt(payment: Payment): number | undefined {
  let earliest = payment.retryAtMs === 0 ? Number.POSITIVE_INFINITY : Math.min(payment.retryAtMs, payment.expiresAtMs);
  for (const attempt of payment.attempts) {
    if (attempt.nextAtMs !== 0 && attempt.nextAtMs < earliest) earliest = attempt.nextAtMs;
  }
  return earliest === Number.POSITIVE_INFINITY ? undefined : earliest;
}

/** What an order says of its payment. */
export interface PlacedOrder {
  readonly orderId: string;
  readonly merchantId: string;
  readonly customerId: string;
  readonly paymentMethod: string;
  readonly amount: Money;
  readonly expiresAtMs: number;
  /** The trace in which it was placed. */
  readonly trace?: TraceContext | undefined;
}

/** What can happen to a payment. */
export type PaymentEvent =
  /** An order came in, perhaps together with its own cancellation. */
  | { readonly kind: 'placed'; readonly order: PlacedOrder; readonly cancelReason?: string | undefined }
  /** Somebody wants it cancelled. */
  | { readonly kind: 'cancel-requested'; readonly orderId: string; readonly merchantId: string; readonly reason: string }
  /** The gateway said that it charged, in reply to a call or to a look-up. */
  | { readonly kind: 'approved'; readonly attempt: number; readonly gatewayId: string }
  /** The gateway said that it did not charge. */
  | {
      readonly kind: 'declined';
      readonly attempt: number;
      readonly code: string;
      readonly retry: DeclineClass;
      readonly gatewayId?: string | undefined;
    }
  /** A call gave no clear answer. */
  | { readonly kind: 'unanswered'; readonly attempt: number }
  /** A look-up that was sent at `askedAtMs` found nothing. */
  | { readonly kind: 'not-found'; readonly attempt: number; readonly askedAtMs: number }
  /** The time of {@link wakeAt} has come; or, with `gone`, the processor of that name and with it the calls that it had under way. */
  | { readonly kind: 'due'; readonly gone?: string | undefined }
  /** The gateway gave a charge back. */
  | { readonly kind: 'reversed'; readonly attempt: number }
  /** The gateway refused to give a charge back. */
  | { readonly kind: 'reversal-declined'; readonly attempt: number; readonly code: string }
  /** Giving a charge back got no clear answer. */
  | { readonly kind: 'reversal-unanswered'; readonly attempt: number }
  /** A refund that a merchant asked for succeeded. */
  | { readonly kind: 'refunded'; readonly operationId: string; readonly units: bigint };

/** What was decided, for the world to know. */
export type Decision =
  | { readonly kind: 'settled'; readonly operationId: string; readonly gatewayId: string; readonly attempt: number }
  | { readonly kind: 'declined'; readonly code: string; readonly reason: string; readonly attempts: number }
  | { readonly kind: 'expired'; readonly attempts: number }
  | { readonly kind: 'canceled'; readonly reason: string }
  | { readonly kind: 'parked'; readonly reason: string }
  | { readonly kind: 'refunded'; readonly operationId: string; readonly units: bigint }
  | { readonly kind: 'late-charge-reversed'; readonly gatewayId: string };

/** A call to the gateway, to be made after the transition was stored. */
export interface GatewayCall {
  readonly call: 'charge' | 'lookup' | 'reverse';
  readonly attempt: number;
}

/** What a transition led to. */
export interface Transition {
  readonly payment: Payment;
  /** To be published with the new state. */
  readonly decision?: Decision | undefined;
  /** To be made after the new state was stored, and only then. */
  readonly call?: GatewayCall | undefined;
  /** What a person has to look into although the payment itself is decided: money that the gateway holds too much of. */
  readonly alarm?: string | undefined;
}

/** The pair of state and event is not one that leads anywhere: nothing changes. */
export interface Refusal {
  readonly refused: string;
}
