import { approve, decline } from './answers.ts';
import { refuse } from './change.ts';
import { due } from './due.ts';
import { refunded, reversalFailed, reversed } from './giving-back.ts';
import { cancel, place } from './opening.ts';
import type { Payment, PaymentEvent, Refusal, Transition } from './payment.ts';
import type { PaymentRules } from './timing.ts';
import { notFound, unanswered } from './unknown.ts';

/**
 * The rules of payments as one total function: for every state and event either what follows, or why nothing does. It
 * reads no clock and calls nothing; a call that it returns is to be made after the new state was stored.
 */
export function transition(payment: Payment | undefined, event: PaymentEvent, rules: PaymentRules, nowMs: number): Transition | Refusal {
  if (event.kind === 'cancel-requested') return cancel(payment, event, nowMs);
  if (event.kind === 'placed') {
    return payment === undefined ? place(event.order, event.cancelReason, rules, nowMs) : refuse('the order was placed before');
  }
  if (payment === undefined) return refuse('there is no such payment');
  if (event.kind === 'due') return due(payment, event.gone, rules, nowMs);
  if (event.kind === 'refunded') return refunded(payment, event, nowMs);
  const attempt = payment.attempts.find((one) => one.number === event.attempt);
  if (attempt === undefined) return refuse(`the payment has no attempt ${event.attempt}`);
  switch (event.kind) {
    case 'approved':
      return approve(payment, attempt, event.gatewayId, rules, nowMs);
    case 'declined':
      return decline(payment, attempt, event, rules, nowMs);
    case 'unanswered':
      return unanswered(payment, attempt, rules, nowMs);
    case 'not-found':
      return notFound(payment, attempt, event.askedAtMs, rules, nowMs);
    case 'reversed':
      return reversed(payment, attempt, nowMs);
    case 'reversal-declined':
      return reversalFailed(payment, attempt, event.code, rules, nowMs);
    case 'reversal-unanswered':
      return reversalFailed(payment, attempt, undefined, rules, nowMs);
  }
}
