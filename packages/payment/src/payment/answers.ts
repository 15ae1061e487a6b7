import { refuse, withAttempt } from './change.ts';
import { reverse } from './giving-back.ts';
import type { Attempt, Payment, PaymentEvent, Refusal, Transition } from './payment.ts';
import { isOpen, type PaymentRules } from './timing.ts';

function settle(payment: Payment, attempt: Attempt, gatewayId: string, nowMs: number): Transition {
  const charged = { status: 'APPROVED', gatewayId, declineCode: '', nextAtMs: 0 } as const;
  return {
    payment: withAttempt(payment, attempt, nowMs, charged, { status: 'SETTLED', reason: '', retryAtMs: 0 }),
    decision: { kind: 'settled', operationId: attempt.gatewayKey, gatewayId, attempt: attempt.number },
  };
}

export function approve(payment: Payment, attempt: Attempt, gatewayId: string, rules: PaymentRules, nowMs: number): Transition | Refusal {
  if (attempt.status === 'APPROVED' || attempt.status === 'REVERSING' || attempt.status === 'REVERSED') {
    return refuse(`attempt ${attempt.number} is known to be charged already`);
  }
  // One that is in review since a late charge cannot be given back was closed, and has no open attempt.
  const undecided = payment.status === 'PENDING' || (payment.status === 'IN_REVIEW' && isOpen(attempt));
  // One that is being given back does not stand in the way: it will not be the merchant's.
  const rival = payment.attempts.some((one) => one.number !== attempt.number && (isOpen(one) || one.status === 'APPROVED'));
  if (undecided && !rival) return settle(payment, attempt, gatewayId, nowMs);
  return reverse(payment, attempt, gatewayId, rules, nowMs);
}

export function decline(
  payment: Payment,
  attempt: Attempt,
  event: PaymentEvent & { kind: 'declined' },
  rules: PaymentRules,
  nowMs: number,
): Transition | Refusal {
  if (attempt.status === 'NOT_CHARGED') {
    const declined = { status: 'DECLINED', declineCode: event.code, nextAtMs: 0 } as const;
    return { payment: withAttempt(payment, attempt, nowMs, declined) };
  }
  if (!isOpen(attempt)) return refuse(`attempt ${attempt.number} is ${attempt.status} already`);
  const change = { status: 'DECLINED', declineCode: event.code, gatewayId: event.gatewayId ?? '', nextAtMs: 0, unknownSinceMs: 0 } as const;
  const declined = withAttempt(payment, attempt, nowMs, change);
  if (payment.status !== 'PENDING' && payment.status !== 'IN_REVIEW') return { payment: declined };
  // A charge that a contradictory gateway made and cannot give back: that is left to a person.
  if (payment.attempts.some((one) => one.number !== attempt.number && one.status === 'APPROVED')) return { payment: declined };
  const reason = payment.cancelReason;
  if (reason !== undefined) {
    return { payment: { ...declined, status: 'CANCELED', reason }, decision: { kind: 'canceled', reason } };
  }
  const again = payment.status === 'PENDING' && event.retry === 'later' && attempt.number < rules.policy.attempts;
  if (again) return { payment: { ...declined, retryAtMs: nowMs + rules.policy.retryDelayMs } };
  const why = `declined by the gateway: ${event.code}`;
  return {
    payment: { ...declined, status: 'DECLINED', reason: why },
    decision: { kind: 'declined', code: event.code, reason: why, attempts: payment.attempts.length },
  };
}
