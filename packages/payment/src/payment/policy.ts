import { type FieldViolation, PaystreamError } from '@paystream/core';

/** How payments are tried, looked up and given up. */
export interface PaymentPolicy {
  /** At most so many attempts for one payment, the first included. Only declines of class `later` lead to another. Default: 3. */
  readonly attempts: number;
  /** How long after a decline the next attempt starts, in milliseconds. Default: 30,000. */
  readonly retryDelayMs: number;
  /** No attempt starts later than so long after the order was placed, in milliseconds; an order that says when it expires itself is taken at its word where that is earlier. Default: 120,000. */
  readonly expiryMs: number;
  /** How long one call to the gateway may take, in milliseconds, before its outcome counts as unknown. Default: 10,000. */
  readonly callTimeoutMs: number;
  /** When an unknown attempt is looked up: so many milliseconds after it became unknown; the last one is then repeated. While the payment is not decided, {@link pendingLookupMs} adds look-ups to these. Default: 1 s, 5 s, 30 s, 5 min, 1 h, then daily. */
  readonly lookupDelaysMs: readonly number[];
  /** While the payment is not decided, the next look-up is at most so many milliseconds away, or the first of `lookupDelaysMs` where that is longer: so long it takes at most until an order goes on when the gateway is back. Ten thousand such payments are more than three hundred look-ups a second by default, at most `maxConcurrentCalls` at once. Default: 30,000. */
  readonly pendingLookupMs: number;
  /** For how long after a payment was closed as not charged it is still looked up, in milliseconds, so that a late success is found and given back. Default: 86,400,000 (a day). */
  readonly watchMs: number;
  /** At most so many calls to the gateway at once for new orders; orders beyond it wait in their topic. As many again for payments whose time has come: look-ups, further attempts. Default: 10,000: two thousand orders a second at a gateway that takes five seconds. */
  readonly maxConcurrentCalls: number;
}

/** The policy unless told otherwise. */
export const defaultPaymentPolicy: PaymentPolicy = {
  attempts: 3,
  retryDelayMs: 30_000,
  expiryMs: 120_000,
  callTimeoutMs: 10_000,
  lookupDelaysMs: [1_000, 5_000, 30_000, 300_000, 3_600_000, 86_400_000],
  pendingLookupMs: 30_000,
  watchMs: 86_400_000,
  maxConcurrentCalls: 10_000,
};

type Whole = Exclude<keyof PaymentPolicy, 'lookupDelaysMs'>;

/** The defaults with what is given instead. Throws `INVALID_ARGUMENT`, naming every field that makes no sense. */
export function paymentPolicy(given: Partial<PaymentPolicy> = {}): PaymentPolicy {
  const policy: PaymentPolicy = { ...defaultPaymentPolicy, ...given };
  const outside = (fields: readonly Whole[], least: number, what: string): FieldViolation[] =>
    fields
      .filter((field) => !Number.isSafeInteger(policy[field]) || policy[field] < least)
      .map((field) => ({ field: `policy.${field}`, description: `${policy[field]} is not ${what}` }));
  const violations = [
    ...outside(['attempts', 'expiryMs', 'callTimeoutMs', 'pendingLookupMs', 'maxConcurrentCalls'], 1, 'a positive integer'),
    ...outside(['retryDelayMs', 'watchMs'], 0, 'an integer of at least 0'),
  ];
  const delays = policy.lookupDelaysMs;
  if (delays.length === 0 || delays.some((delay, index) => !Number.isSafeInteger(delay) || delay <= (delays[index - 1] ?? 0))) {
    violations.push({ field: 'policy.lookupDelaysMs', description: `[${delays.join(', ')}] is not a list of growing positive integers` });
  }
  if (violations.length > 0) {
    throw new PaystreamError('INVALID_ARGUMENT', violations.map((violation) => `${violation.field}: ${violation.description}`).join('; '), {
      reason: 'INVALID_POLICY',
      violations,
    });
  }
  return policy;
}
