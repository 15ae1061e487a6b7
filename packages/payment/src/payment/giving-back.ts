import { changed, refuse, withAttempt } from './change.ts';
import type { Attempt, Payment, PaymentEvent, Refusal, Transition } from './payment.ts';
import { callDeadline, insideWindow, nextLookupAt, type PaymentRules } from './timing.ts';

const unsure = 'whether the late charge was given back is not known';

/** Leaves a charge that cannot be given back to a person. A payment that is rightly charged, or may yet be, stays as it is. */
function park(payment: Payment, attempt: Attempt, reason: string, nowMs: number): Transition {
  const { status } = payment;
  const charged = status === 'SETTLED' || status === 'PARTIALLY_REFUNDED' || status === 'REFUNDED';
  if (charged || (status === 'PENDING' && attempt.status === 'REVERSING'))
    return { payment: withAttempt(payment, attempt, nowMs, { ...attempt, nextAtMs: 0 }), alarm: reason };
  return {
    payment: withAttempt(payment, attempt, nowMs, { ...attempt, nextAtMs: 0 }, { status: 'IN_REVIEW', reason }),
    decision: { kind: 'parked', reason },
  };
}

/** Gives back a charge that must not stand: the payment is closed, or has another. */
export function reverse(payment: Payment, attempt: Attempt, gatewayId: string, rules: PaymentRules, nowMs: number): Transition {
  if (rules.abilities.refunds === 'none') {
    const why = 'charged when it must not be any more, and the gateway cannot give it back';
    return park(payment, { ...attempt, status: 'APPROVED', gatewayId }, why, nowMs);
  }
  const change = { status: 'REVERSING', gatewayId, unknownSinceMs: nowMs, lookups: 0, nextAtMs: callDeadline(rules, nowMs) } as const;
  return { payment: withAttempt(payment, attempt, nowMs, change), call: { call: 'reverse', attempt: attempt.number } };
}

/** Gives back again, with the same key, what may have been given back or not. */
export function reversalDue(payment: Payment, attempt: Attempt, rules: PaymentRules, nowMs: number): Transition {
  if (!insideWindow(attempt.unknownSinceMs, rules, nowMs)) return park(payment, attempt, unsure, nowMs);
  const looked = { ...attempt, lookups: attempt.lookups + 1 };
  const nextAtMs = Math.max(nextLookupAt(looked, rules, nowMs), callDeadline(rules, nowMs));
  return {
    payment: withAttempt(payment, attempt, nowMs, { lookups: looked.lookups, nextAtMs }),
    call: { call: 'reverse', attempt: attempt.number },
  };
}

export function reversed(payment: Payment, attempt: Attempt, nowMs: number): Transition | Refusal {
  if (attempt.status !== 'REVERSING') return refuse(`attempt ${attempt.number} is ${attempt.status}`);
  return {
    payment: withAttempt(payment, attempt, nowMs, { status: 'REVERSED', nextAtMs: 0 }),
    decision: { kind: 'late-charge-reversed', gatewayId: attempt.gatewayId },
  };
}

export function reversalFailed(
  payment: Payment,
  attempt: Attempt,
  code: string | undefined,
  rules: PaymentRules,
  nowMs: number,
): Transition | Refusal {
  if (attempt.status !== 'REVERSING') return refuse(`attempt ${attempt.number} is ${attempt.status}`);
  if (code !== undefined) return park(payment, attempt, `the gateway refuses to give the late charge back: ${code}`, nowMs);
  if (!rules.abilities.idempotent) return park(payment, attempt, unsure, nowMs);
  return { payment: withAttempt(payment, attempt, nowMs, { nextAtMs: nextLookupAt(attempt, rules, nowMs) }) };
}

export function refunded(payment: Payment, event: PaymentEvent & { kind: 'refunded' }, nowMs: number): Transition | Refusal {
  if (payment.status !== 'SETTLED' && payment.status !== 'PARTIALLY_REFUNDED') return refuse(`the payment is ${payment.status}`);
  const captured = payment.amount?.units ?? 0n;
  const refundedUnits = payment.refundedUnits + event.units;
  if (event.units <= 0n || refundedUnits > captured) return refuse(`${refundedUnits} refunded would be more than the ${captured} captured`);
  const status = refundedUnits === captured ? 'REFUNDED' : 'PARTIALLY_REFUNDED';
  const { operationId, units } = event;
  return { payment: changed(payment, nowMs, { status, refundedUnits }), decision: { kind: 'refunded', operationId, units } };
}
