import type { PaystreamError } from '../errors/paystream-error.ts';

/** What an operation was about, for messages and `details`. */
export interface Subject {
  /** `cannot subscribe to topic "orders" as "wallet"`. */
  readonly what: string;
  readonly details: Readonly<Record<string, string>>;
  /** What it means that the thing is closed: its reason, and whether somebody waited for it. */
  readonly closed: () => PaystreamError;
}

/** Tells what failed in a client in the terms of the port. */
export type Tell = (error: unknown, subject: Subject) => PaystreamError;
