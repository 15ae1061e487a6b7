import { changed, refuse, withAttempt } from './change.ts';
import { reversalDue } from './giving-back.ts';
import { newAttempt } from './opening.ts';
import type { Attempt, Payment, Refusal, Transition } from './payment.ts';
import { isOpen, type PaymentRules } from './timing.ts';
import { lookAgain, resendOrClose, unanswered } from './unknown.ts';

function attemptDue(payment: Payment, attempt: Attempt, rules: PaymentRules, nowMs: number): Transition | Refusal {
  switch (attempt.status) {
    case 'STARTED': {
      const unknown = unanswered(payment, attempt, rules, nowMs);
      if ('refused' in unknown || unknown.payment.status === 'IN_REVIEW') return unknown;
      const same = unknown.payment.attempts.find((one) => one.number === attempt.number) ?? attempt;
      const asked = rules.abilities.lookup
        ? lookAgain(unknown.payment, same, rules, nowMs)
        : resendOrClose(unknown.payment, same, rules, nowMs, false);
      return 'refused' in asked ? asked : { ...asked, payment: { ...asked.payment, version: payment.version + 1 } };
    }
    case 'UNKNOWN':
      return rules.abilities.lookup ? lookAgain(payment, attempt, rules, nowMs) : resendOrClose(payment, attempt, rules, nowMs, false);
    case 'NOT_CHARGED':
      return lookAgain(payment, attempt, rules, nowMs);
    case 'REVERSING':
      return reversalDue(payment, attempt, rules, nowMs);
    default:
      return { payment: withAttempt(payment, attempt, nowMs, { nextAtMs: 0 }) };
  }
}

export function due(payment: Payment, gone: string | undefined, rules: PaymentRules, nowMs: number): Transition | Refusal {
  const orphan =
    gone === undefined ? undefined : payment.attempts.find((one) => one.nextAtMs !== 0 && one.status === 'STARTED' && one.owner === gone);
  const attempt = orphan ?? payment.attempts.find((one) => one.nextAtMs !== 0 && one.nextAtMs <= nowMs);
  if (attempt !== undefined) return attemptDue(payment, attempt, rules, nowMs);
  if (payment.status !== 'PENDING' || payment.retryAtMs === 0) return refuse('nothing is due');
  const made = payment.attempts.length;
  if (nowMs >= payment.expiresAtMs) {
    const reason = 'the time was up before a charge succeeded';
    const expired = changed(payment, nowMs, { status: 'EXPIRED', reason, retryAtMs: 0 });
    return { payment: expired, decision: { kind: 'expired', attempts: made } };
  }
  if (nowMs < payment.retryAtMs) return refuse('nothing is due');
  if (payment.attempts.some((one) => isOpen(one) || one.status === 'REVERSING')) {
    return { payment: changed(payment, nowMs, { retryAtMs: nowMs + rules.policy.retryDelayMs }) };
  }
  const attempts = [...payment.attempts, newAttempt(payment.orderId, made + 1, rules, nowMs)];
  return { payment: changed(payment, nowMs, { attempts, retryAtMs: 0 }), call: { call: 'charge', attempt: made + 1 } };
}
