import type { Money, TraceContext } from '@paystream/core';
import type { Refusal } from '../payment/payment.ts';
import { callDeadline, insideWindow, nextLookupAt, type PaymentRules } from '../payment/timing.ts';

/**
 * How a refund stands.
 * - `STARTED`: stored; the call may or may not have left.
 * - `UNKNOWN`: no clear answer came; it is sent again, with the same key, where that is safe.
 * - `REFUNDED`, `DECLINED`: the gateway's word.
 * - `IN_REVIEW`: a person has to find out.
 */
export type RefundStatus = 'STARTED' | 'UNKNOWN' | 'REFUNDED' | 'DECLINED' | 'IN_REVIEW';

/** Money that is given back of a payment. Times are in milliseconds since the epoch. */
export interface Refund {
  readonly orderId: string;
  /** The caller's id of the request: the same id never gives money back twice. */
  readonly requestId: string;
  /** The gateway key, permanent, and the id of the operation in the ledger. */
  readonly operationId: string;
  readonly status: RefundStatus;
  readonly amount: Money;
  /** The gateway's id of the refund; empty if it gave none. */
  readonly gatewayId: string;
  /** The gateway's code if it declined; otherwise empty. */
  readonly code: string;
  /** How often it was sent again. */
  readonly tries: number;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** When something is to be done about it if nothing has happened until then; `undefined` for never. */
  readonly wakeAtMs: number | undefined;
  /** The trace that what happens to it belongs to: that of who asked for it, which alone is stored, until it goes on by itself in one of its own. */
  readonly trace?: TraceContext | undefined;
}

/** The gateway key of a refund. */
export const refundKey = (orderId: string, requestId: string): string => `pay_${orderId}:refund:${requestId}`;

/** What can happen to a refund. */
export type RefundEvent =
  | { readonly kind: 'refunded'; readonly gatewayId: string }
  | { readonly kind: 'declined'; readonly code: string }
  | { readonly kind: 'unanswered' }
  | { readonly kind: 'due' };

/** What follows; `send` says that the call is to be made, once this is stored. */
export interface RefundTransition {
  readonly refund: Refund;
  readonly send: boolean;
}

export function newRefund(orderId: string, requestId: string, amount: Money, rules: PaymentRules, nowMs: number): Refund {
  return {
    orderId,
    requestId,
    operationId: refundKey(orderId, requestId),
    status: 'STARTED',
    amount,
    gatewayId: '',
    code: '',
    tries: 0,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    wakeAtMs: callDeadline(rules, nowMs),
  };
}

/** The rules of refunds: total and pure, as those of payments. */
export function refundTransition(refund: Refund, event: RefundEvent, rules: PaymentRules, nowMs: number): RefundTransition | Refusal {
  const { status } = refund;
  if (status === 'REFUNDED' || status === 'DECLINED') return { refused: `the refund is ${status} already` };
  const to = (change: Partial<Refund>, send = false): RefundTransition => ({ refund: { ...refund, ...change, updatedAtMs: nowMs }, send });
  switch (event.kind) {
    case 'refunded':
      return to({ status: 'REFUNDED', gatewayId: event.gatewayId, wakeAtMs: undefined });
    case 'declined':
      return to({ status: 'DECLINED', code: event.code, wakeAtMs: undefined });
    case 'unanswered': {
      if (status !== 'STARTED') return { refused: `the refund is ${status}` };
      if (!rules.abilities.idempotent) return to({ status: 'IN_REVIEW', wakeAtMs: undefined });
      return to({ status: 'UNKNOWN', wakeAtMs: nextLookupAt({ unknownSinceMs: nowMs, lookups: refund.tries }, rules, nowMs) });
    }
    case 'due': {
      if (refund.wakeAtMs === undefined || nowMs < refund.wakeAtMs) return { refused: 'nothing is due' };
      if (!insideWindow(refund.createdAtMs, rules, nowMs)) return to({ status: 'IN_REVIEW', wakeAtMs: undefined });
      return to({ status: 'STARTED', tries: refund.tries + 1, wakeAtMs: callDeadline(rules, nowMs) }, true);
    }
  }
}
