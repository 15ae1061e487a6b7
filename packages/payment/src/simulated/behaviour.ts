import type { Random } from '@paystream/core';
import type { DeclineClass } from '../gateway/port.ts';

/**
 * What the simulated gateway does with a charge that it has not seen.
 * - `approve`, `decline` (class `never`), `decline-later` (class `later`): the plain answers.
 * - `time-out-after-charging`, `time-out-before-charging`: no answer comes; the money has moved or has not.
 * - `error-after-charging`, `error-before-charging`: as a 5xx.
 * - `duplicate`: the network delivers the request twice.
 */
export type SimulatedBehaviour =
  | 'approve'
  | 'decline'
  | 'decline-later'
  | 'time-out-after-charging'
  | 'time-out-before-charging'
  | 'error-after-charging'
  | 'error-before-charging'
  | 'duplicate';

/** How often each behaviour comes, in relation to the others. One that is left out never comes. */
export type BehaviourWeights = { readonly [B in SimulatedBehaviour]?: number | undefined };

/** A decline as the book keeps it. */
export interface Decline {
  readonly code: string;
  readonly retry: DeclineClass;
}

/** What is to happen to one charge. */
export interface Plan {
  /** What is booked; `undefined` books nothing. */
  readonly book: 'approved' | Decline | undefined;
  /** How the caller learns of it. */
  readonly reply: 'answer' | 'hang' | 'error';
  /** The request arrives twice. */
  readonly twice?: boolean;
  /** Only the first time that this subject (the key, or the payment) is seen; `afterwards` after that. */
  readonly once?: { readonly per: 'key' | 'payment'; readonly afterwards: Plan };
}

const approve: Plan = { book: 'approved', reply: 'answer' };
const declined: Decline = { code: 'card_declined', retry: 'never' };
const insufficientFunds: Decline = { code: 'insufficient_funds', retry: 'later' };

const plans: Readonly<Record<SimulatedBehaviour, Plan>> = {
  approve,
  decline: { book: declined, reply: 'answer' },
  'decline-later': { book: insufficientFunds, reply: 'answer' },
  'time-out-after-charging': { book: 'approved', reply: 'hang' },
  'time-out-before-charging': { book: undefined, reply: 'hang' },
  'error-after-charging': { book: 'approved', reply: 'error' },
  'error-before-charging': { book: undefined, reply: 'error' },
  duplicate: { book: 'approved', reply: 'answer', twice: true },
};

/**
 * References of payment methods that decide by themselves what happens, whatever the weights say.
 * The last three do it the first time only, and approve after that.
 */
export const simulatedMethods = {
  approved: 'pm_card_visa',
  declined: 'pm_card_declined',
  expired: 'pm_card_expired',
  insufficientFunds: 'pm_card_insufficient_funds',
  timeoutAfterCharge: 'pm_timeout_after_charge',
  errorAfterCharge: 'pm_error_after_charge',
  duplicate: 'pm_duplicate',
  timeoutBeforeCharge: 'pm_timeout_before_charge',
  errorBeforeCharge: 'pm_error_before_charge',
  declineThenApprove: 'pm_decline_then_approve',
} as const;

const byMethod: ReadonlyMap<string, Plan> = new Map([
  [simulatedMethods.approved, approve],
  [simulatedMethods.declined, plans.decline],
  [simulatedMethods.expired, { book: { code: 'expired_card', retry: 'other-method' }, reply: 'answer' }],
  [simulatedMethods.insufficientFunds, plans['decline-later']],
  [simulatedMethods.timeoutAfterCharge, plans['time-out-after-charging']],
  [simulatedMethods.errorAfterCharge, plans['error-after-charging']],
  [simulatedMethods.duplicate, plans.duplicate],
  [simulatedMethods.timeoutBeforeCharge, { ...plans['time-out-before-charging'], once: { per: 'key', afterwards: approve } }],
  [simulatedMethods.errorBeforeCharge, { ...plans['error-before-charging'], once: { per: 'key', afterwards: approve } }],
  [simulatedMethods.declineThenApprove, { ...plans['decline-later'], once: { per: 'payment', afterwards: approve } }],
]);

/** What happens to a charge with this payment method: as its reference says, otherwise drawn by the weights. */
export function planFor(paymentMethod: string, weights: BehaviourWeights, random: Random): Plan {
  const forced = byMethod.get(paymentMethod);
  if (forced !== undefined) return forced;
  const entries = (Object.entries(weights) as [SimulatedBehaviour, number | undefined][]).map(
    ([name, weight = 0]) => [name, weight] as const,
  );
  let left = random.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [behaviour, weight] of entries) {
    left -= weight;
    if (left < 0) return plans[behaviour];
  }
  return approve;
}
