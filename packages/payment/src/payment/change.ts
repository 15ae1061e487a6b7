import type { Attempt, Payment, Refusal } from './payment.ts';

export const refuse = (refused: string): Refusal => ({ refused });

/** A new version of a payment. */
export function changed(payment: Payment, nowMs: number, change: Partial<Payment>): Payment {
  return { ...payment, ...change, version: payment.version + 1, updatedAtMs: nowMs };
}

/** A new version of a payment with a change of one of its attempts, and perhaps of itself. */
export function withAttempt(
  payment: Payment,
  attempt: Attempt,
  nowMs: number,
  change: Partial<Attempt>,
  own: Partial<Payment> = {},
): Payment {
  const attempts = payment.attempts.map((one) => (one.number === attempt.number ? { ...one, ...change, updatedAtMs: nowMs } : one));
  return changed(payment, nowMs, { ...own, attempts });
}
