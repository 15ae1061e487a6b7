import { changed, refuse, withAttempt } from './change.ts';
import { type Attempt, chargeKey, type Payment, type PaymentEvent, type PlacedOrder, type Refusal, type Transition } from './payment.ts';
import { callDeadline, isOpen, type PaymentRules } from './timing.ts';

export function newAttempt(orderId: string, number: number, rules: PaymentRules, nowMs: number): Attempt {
  return {
    number,
    gatewayKey: chargeKey(orderId, number),
    status: 'STARTED',
    gatewayId: '',
    declineCode: '',
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    unknownSinceMs: 0,
    lookups: 0,
    nextAtMs: callDeadline(rules, nowMs),
    owner: rules.owner ?? '',
  };
}

export function place(order: PlacedOrder, cancelReason: string | undefined, rules: PaymentRules, nowMs: number): Transition {
  const payment: Payment = {
    ...order,
    status: 'PENDING',
    version: 1,
    reason: '',
    cancelReason,
    refundedUnits: 0n,
    retryAtMs: 0,
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    attempts: [],
  };
  if (cancelReason !== undefined) {
    return { payment: { ...payment, status: 'CANCELED', reason: cancelReason }, decision: { kind: 'canceled', reason: cancelReason } };
  }
  if (nowMs >= order.expiresAtMs) {
    return {
      payment: { ...payment, status: 'EXPIRED', reason: 'the order expired before it could be charged' },
      decision: { kind: 'expired', attempts: 0 },
    };
  }
  const attempts = [newAttempt(order.orderId, 1, rules, nowMs)];
  return { payment: { ...payment, attempts }, call: { call: 'charge', attempt: 1 } };
}

export function cancel(
  payment: Payment | undefined,
  event: PaymentEvent & { kind: 'cancel-requested' },
  nowMs: number,
): Transition | Refusal {
  const { reason } = event;
  if (payment === undefined) {
    // The order itself never arrived, or arrives later: this row keeps it from being charged then.
    const none = { customerId: '', paymentMethod: '', amount: undefined, refundedUnits: 0n, retryAtMs: 0, attempts: [] };
    const times = { expiresAtMs: nowMs, createdAtMs: nowMs, updatedAtMs: nowMs };
    const { orderId, merchantId } = event;
    return {
      payment: { orderId, merchantId, status: 'CANCELED', version: 1, reason, cancelReason: reason, ...none, ...times },
      decision: { kind: 'canceled', reason },
    };
  }
  if (payment.merchantId !== event.merchantId) return refuse(`the payment is not one of merchant ${event.merchantId}`);
  if (payment.cancelReason !== undefined) return refuse('a cancellation was asked for before');
  if (payment.status !== 'PENDING' && payment.status !== 'IN_REVIEW') return refuse(`the payment is ${payment.status} already`);
  const open = payment.attempts.find(isOpen);
  if (payment.status === 'IN_REVIEW' || open !== undefined) {
    // Only the answer of the attempt under way decides; one that is unknown is asked about at once.
    const ask = payment.status === 'PENDING' && open?.status === 'UNKNOWN';
    const next =
      ask && open !== undefined
        ? withAttempt(payment, open, nowMs, { nextAtMs: nowMs }, { cancelReason: reason })
        : changed(payment, nowMs, { cancelReason: reason });
    return { payment: next };
  }
  const canceled = changed(payment, nowMs, { status: 'CANCELED', cancelReason: reason, reason, retryAtMs: 0 });
  return { payment: canceled, decision: { kind: 'canceled', reason } };
}
