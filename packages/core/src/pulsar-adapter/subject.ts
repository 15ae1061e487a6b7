import type { ErrorCode, PaystreamError } from '../errors/paystream-error.ts';

/** What an operation was about, for messages and `details`. */
export interface Subject {
  /** `cannot subscribe to topic "orders" as "wallet"`. */
  readonly what: string;
  readonly details: Readonly<Record<string, string>>;
  /** What it means that the thing is closed: its reason, and whether somebody waited for it. */
  readonly closed: () => PaystreamError;
  /** Whether something is published: a consumer that does so gives its message up for what is the message's fault only. Default: false. */
  readonly publishing?: boolean;
}

/** Tells what failed in a client in the terms of the port. */
export type Tell = (error: unknown, subject: Subject) => PaystreamError;

/** Codes that speak of what is published, or that a consumer does not hold against its message. */
const asTheyAre: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'CANCELED',
  'RESOURCE_EXHAUSTED',
  'ABORTED',
  'UNAVAILABLE',
]);

/**
 * The code for a subject. A token that has expired, a right that was revoked, a topic that was terminated or is not there, a schema
 * that the broker refuses: no message brings these about, so to whoever publishes they are an outage.
 */
export function codeFor(code: ErrorCode, { publishing }: Subject): ErrorCode {
  return publishing === true && !asTheyAre.has(code) ? 'UNAVAILABLE' : code;
}
