import type { LogLevel, OrderState } from '@paystream/core/contracts';

/** What changes of an order. Everything else, its terms, is as it was placed, for ever. */
export interface Standing {
  readonly state: OrderState;
  /** Grows by one with each change; starts at 1. */
  readonly version: bigint;
  /** The highest version of the payment seen; 0 if none was. */
  readonly paymentVersion: bigint;
  readonly reason: string;
  readonly gatewayChargeId: string;
  /** Given back so far, in the minor unit of the order's currency. */
  readonly refundedUnits: bigint;
  /** When the order last changed, in milliseconds since the epoch. */
  readonly updateMs: number;
}

/** What a decision needs to know of an order's terms. */
export interface Terms {
  readonly orderId: string;
  readonly merchantId: string;
  readonly currency: string;
  readonly totalUnits: bigint;
}

/** One transition, as the business log tells it. */
export interface OrderFact {
  /** `order.paid`. */
  readonly event: string;
  readonly message: string;
  readonly level?: LogLevel;
  readonly attributes?: Readonly<Record<string, string>>;
}

/** What follows from an event: a change, nothing because it is known, or a refusal because it cannot be. */
export type Verdict =
  | { readonly kind: 'changed'; readonly standing: Standing; readonly fact: OrderFact }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string };

/** A refusal. */
export function refused(reason: string, message: string): Verdict {
  return { kind: 'refused', reason, message };
}

/** The order is as the event would make it. */
export const unchanged: Verdict = { kind: 'unchanged' };
