import type { GatewayAbilities } from '../gateway/port.ts';
import type { Attempt, Payment } from './payment.ts';
import type { PaymentPolicy } from './policy.ts';

/** What transitions depend on beside state and event. */
export interface PaymentRules {
  readonly policy: PaymentPolicy;
  readonly abilities: GatewayAbilities;
  /** Who makes the calls that follow, as {@link Attempt.owner}. Default: empty. */
  readonly owner?: string;
}

/** How long the outcome of a call has to be stored after the call's own time is up. */
const storeMs = 5_000;

/** When a call that starts now must have left a trace: if it has not, whoever made it is gone. */
export const callDeadline = (rules: PaymentRules, nowMs: number): number => nowMs + rules.policy.callTimeoutMs + storeMs;

/** Whether the attempt may still turn out to be charged. */
export const isOpen = (attempt: Attempt): boolean => attempt.status === 'STARTED' || attempt.status === 'UNKNOWN';

/** When an unknown attempt is looked up next: as the policy plans it, and never at once again. */
export function nextLookupAt(attempt: Pick<Attempt, 'unknownSinceMs' | 'lookups'>, rules: PaymentRules, nowMs: number): number {
  const delays = rules.policy.lookupDelaysMs;
  const last = delays.length - 1;
  const daily = delays[last] ?? 0;
  const delay = attempt.lookups < last ? (delays[attempt.lookups] ?? daily) : daily * (attempt.lookups - last + 1);
  return Math.max(attempt.unknownSinceMs + delay, nowMs + (delays[0] ?? 0));
}

/** How long a payment that is not decided waits at most for its next look-up: no order is to wait for long when the gateway is back. */
export const longestPendingMs = ({ policy }: PaymentRules): number => Math.max(policy.pendingLookupMs, policy.lookupDelaysMs[0] ?? 0);

/** From when on a look-up that finds nothing proves that nothing was charged. */
export function notFoundCounts(attempt: Attempt, rules: PaymentRules): number {
  const { idempotent, visibilityDelayMs } = rules.abilities;
  // Where a repetition would charge twice, the call is given all the time that it may have had.
  const callEndedMs = idempotent
    ? attempt.unknownSinceMs
    : Math.max(attempt.unknownSinceMs, attempt.createdAtMs + rules.policy.callTimeoutMs);
  return callEndedMs + visibilityDelayMs;
}

/** Whether the gateway still remembers a key well after a call with it that starts now. */
export function insideWindow(firstUsedMs: number, rules: PaymentRules, nowMs: number): boolean {
  const { idempotent, idempotencyWindowMs } = rules.abilities;
  return idempotent && nowMs + rules.policy.callTimeoutMs < firstUsedMs + idempotencyWindowMs;
}

/** Whether an attempt may be sent again with its own key. */
export function mayResend(payment: Payment, attempt: Attempt, rules: PaymentRules, nowMs: number): boolean {
  return (
    payment.status === 'PENDING' &&
    payment.cancelReason === undefined &&
    nowMs < payment.expiresAtMs &&
    insideWindow(attempt.createdAtMs, rules, nowMs) &&
    !payment.attempts.some((one) => one.status === 'REVERSING' || one.status === 'APPROVED')
  );
}
