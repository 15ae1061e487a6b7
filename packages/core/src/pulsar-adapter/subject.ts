import { ofOneTopic } from '../broker/of-one-topic.ts';
import type { ErrorCode, PaystreamError } from '../errors/paystream-error.ts';

/** What an operation was about, for messages and `details`. */
export interface Subject {
  /** `cannot subscribe to topic "orders" as "wallet"`. */
  readonly what: string;
  readonly details: Readonly<Record<string, string>>;
  /** What it means that the thing is closed: its reason, and whether somebody waited for it. */
  readonly closed: () => PaystreamError;
  /** Whether something is published: what is the fault of the broker or the topic is then not held against a consumer's message. Default: false. */
  readonly publishing?: boolean;
}

/** Tells what failed in a client in the terms of the port. */
export type Tell = (error: unknown, subject: Subject) => PaystreamError;

/**
 * The code for a subject. Credentials that are refused are so for every topic, and no message brings that about: to whoever publishes
 * it is an outage.
 */
export function codeFor(code: ErrorCode, { publishing }: Subject): ErrorCode {
  return publishing === true && code === 'UNAUTHENTICATED' ? 'UNAVAILABLE' : code;
}

/**
 * Whether what is published could not be for its topic alone: it may be later, when somebody has seen to that. The topic may have been
 * chosen by a message, so a consumer holds the key of that, and goes on with others.
 */
export function holdsItsTopic(reason: string, { publishing }: Subject): boolean {
  return publishing === true && ofOneTopic.has(reason);
}
