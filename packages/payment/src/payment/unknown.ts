import { refuse, withAttempt } from './change.ts';
import type { Attempt, Payment, Refusal, Transition } from './payment.ts';
import { callDeadline, longestPendingMs, mayResend, nextLookupAt, notFoundCounts, type PaymentRules } from './timing.ts';

/** Leaves a payment to a person; the gateway is still asked, if it can be. */
function park(payment: Payment, attempt: Attempt, reason: string, rules: PaymentRules, nowMs: number): Transition {
  const nextAtMs = rules.abilities.lookup ? nextLookupAt(attempt, rules, nowMs) : 0;
  const unknown = { status: 'UNKNOWN', unknownSinceMs: attempt.unknownSinceMs, nextAtMs } as const;
  return {
    payment: withAttempt(payment, attempt, nowMs, unknown, { status: 'IN_REVIEW', reason }),
    decision: { kind: 'parked', reason },
  };
}

/** Closes a payment whose attempt the gateway does not know, and goes on looking for a late success. */
function closeUncharged(payment: Payment, attempt: Attempt, rules: PaymentRules, nowMs: number): Transition {
  const change = { status: 'NOT_CHARGED', nextAtMs: rules.policy.watchMs === 0 ? 0 : nextLookupAt(attempt, rules, nowMs) } as const;
  const canceled = payment.cancelReason;
  if (canceled !== undefined) {
    return {
      payment: withAttempt(payment, attempt, nowMs, change, { status: 'CANCELED', reason: canceled }),
      decision: { kind: 'canceled', reason: canceled },
    };
  }
  const reason = 'the gateway does not know the charge, and it is too late to send it again';
  return {
    payment: withAttempt(payment, attempt, nowMs, change, { status: 'EXPIRED', reason }),
    decision: { kind: 'expired', attempts: payment.attempts.length },
  };
}

/** An attempt whose outcome is not known (any more). */
export function unanswered(payment: Payment, attempt: Attempt, rules: PaymentRules, nowMs: number): Transition | Refusal {
  if (attempt.status !== 'STARTED') return refuse(`attempt ${attempt.number} is ${attempt.status} already`);
  if (!rules.abilities.lookup && !rules.abilities.idempotent) {
    const why = 'the gateway gave no answer, cannot be asked for it, and must not be sent the charge again';
    return park(payment, { ...attempt, status: 'UNKNOWN', unknownSinceMs: nowMs }, why, rules, nowMs);
  }
  const unknown = { ...attempt, unknownSinceMs: nowMs, lookups: 0 };
  const change = { status: 'UNKNOWN', unknownSinceMs: nowMs, lookups: 0, nextAtMs: nextLookupAt(unknown, rules, nowMs) } as const;
  return { payment: withAttempt(payment, attempt, nowMs, change) };
}

/** Sends an attempt again, with its own key, or says why that must not be. */
export function resendOrClose(
  payment: Payment,
  attempt: Attempt,
  rules: PaymentRules,
  nowMs: number,
  known: boolean,
): Transition | Refusal {
  if (mayResend(payment, attempt, rules, nowMs)) {
    const change = { status: 'STARTED', nextAtMs: callDeadline(rules, nowMs), owner: rules.owner ?? '' } as const;
    const again = withAttempt(payment, attempt, nowMs, change);
    return { payment: again, call: { call: 'charge', attempt: attempt.number } };
  }
  const over = nowMs >= payment.expiresAtMs || payment.cancelReason !== undefined || rules.abilities.idempotent;
  if (known && over) return closeUncharged(payment, attempt, rules, nowMs);
  const why = known
    ? 'the gateway does not know the charge, and must not be sent it again because it does not recognise repetitions'
    : 'the gateway gave no answer, cannot be asked for it, and it is too late to send the charge again';
  return park(payment, attempt, why, rules, nowMs);
}

export function notFound(payment: Payment, attempt: Attempt, askedAtMs: number, rules: PaymentRules, nowMs: number): Transition | Refusal {
  if (attempt.status !== 'UNKNOWN') return refuse(`attempt ${attempt.number} is ${attempt.status}`);
  if (payment.status !== 'PENDING') return refuse(`the payment is ${payment.status}: only a find would change that`);
  const countsFromMs = notFoundCounts(attempt, rules);
  if (askedAtMs < countsFromMs) {
    // Asked before the gateway can be expected to know: asked again as soon as it can, if nothing is planned before.
    const nextAtMs = Math.max(countsFromMs, nowMs + 1);
    if (attempt.nextAtMs !== 0 && attempt.nextAtMs <= nextAtMs) return refuse('asked before the gateway can be expected to know');
    return { payment: withAttempt(payment, attempt, nowMs, { nextAtMs }) };
  }
  return resendOrClose(payment, attempt, rules, nowMs, true);
}

export function lookAgain(payment: Payment, attempt: Attempt, rules: PaymentRules, nowMs: number): Transition {
  const looked = { ...attempt, lookups: attempt.lookups + 1 };
  const next = nextLookupAt(looked, rules, nowMs);
  const soonMs = nowMs + longestPendingMs(rules);
  // Uses up nothing of the plan: once the payment is closed it is watched as planned, however long the gateway was away.
  if (payment.status === 'PENDING' && soonMs < next) {
    return { payment: withAttempt(payment, attempt, nowMs, { nextAtMs: soonMs }), call: { call: 'lookup', attempt: attempt.number } };
  }
  const watchedEnough = attempt.status === 'NOT_CHARGED' && next > attempt.unknownSinceMs + rules.policy.watchMs;
  const change = { lookups: looked.lookups, nextAtMs: watchedEnough ? 0 : next };
  return { payment: withAttempt(payment, attempt, nowMs, change), call: { call: 'lookup', attempt: attempt.number } };
}
