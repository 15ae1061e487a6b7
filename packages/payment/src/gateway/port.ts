import type { Money } from '@paystream/core';

/** What a gateway can do: the processor decides by it what is safe. Say less rather than too much. */
export interface GatewayAbilities {
  /** Whether a call with a key that it has seen gives the first result again instead of moving money a second time. */
  readonly idempotent: boolean;
  /** For how long, in milliseconds, it remembers keys. Ignored unless it is idempotent. */
  readonly idempotencyWindowMs: number;
  /** For how long after a charge `lookup` may still not find it, in milliseconds. Ignored without `lookup`. */
  readonly visibilityDelayMs: number;
  /** Whether {@link Gateway.lookup} is there. */
  readonly lookup: boolean;
  /** What {@link Gateway.refund} can give back: nothing, only the whole charge, or parts too. */
  readonly refunds: 'none' | 'full' | 'partial';
  /** Whether {@link Gateway.listCharges} is there. */
  readonly listCharges: boolean;
  /** When money moves: in the same call that authorises it. */
  readonly capture: 'with-authorization';
}

/** Asks for one charge. */
export interface ChargeRequest {
  /** The idempotency key: permanent, the same for every repetition of this attempt. At most 255 characters. */
  readonly key: string;
  readonly amount: Money;
  /** The gateway's own token of the card or account: `pm_card_visa`. */
  readonly paymentMethod: string;
  /** For the gateway's records. */
  readonly paymentId: string;
  readonly orderId: string;
  readonly merchantId: string;
  /** The merchant's own id of the customer. */
  readonly customerId: string;
  /** Aborted when the call's time is up: what comes of it is then unknown. */
  readonly signal: AbortSignal;
}

/**
 * What a decline allows.
 * - `never`: the same would be declined again: no further attempt.
 * - `later`: the same may succeed later: insufficient funds, issuer not available.
 * - `other-method`: only another card or account may succeed. For a payment whose method is given that is the end too.
 */
export type DeclineClass = 'never' | 'later' | 'other-method';

/** The gateway charged. */
export interface Approved {
  readonly outcome: 'approved';
  /** The gateway's own id of the charge, to refund it by. Of one with more than 1,000 characters the first 1,000 are kept. */
  readonly gatewayId: string;
}

/** The gateway did not charge, and never will by this key. */
export interface Declined {
  readonly outcome: 'declined';
  /** The gateway's code: `insufficient_funds`. Of one with more than 1,000 characters the first 1,000 are kept. */
  readonly code: string;
  /** What it allows. An adapter that does not know a code says `never`. */
  readonly retry: DeclineClass;
  /** The gateway's own id of the try, if it has one. */
  readonly gatewayId?: string | undefined;
}

/** A clear answer to a charge. Everything else is a throw. */
export type ChargeAnswer = Approved | Declined;

/** What a look-up found: the answer, or that the gateway is still working on it, or that it does not know the key. */
export type LookupAnswer = ChargeAnswer | 'pending' | 'not-found';

/** Asks for money to be given back. */
export interface RefundRequest {
  /** The idempotency key of the refund: permanent. At most 255 characters. */
  readonly key: string;
  /** The key of the charge. */
  readonly chargeKey: string;
  /** The gateway's id of the charge. */
  readonly gatewayId: string;
  /** What to give back; the whole charge where `refunds` is `full`. */
  readonly amount: Money;
  /** As {@link ChargeRequest.signal}. */
  readonly signal: AbortSignal;
}

/** A clear answer to a refund. Everything else is a throw. */
export type RefundAnswer =
  | { readonly outcome: 'refunded'; readonly gatewayId: string }
  | { readonly outcome: 'declined'; readonly code: string; readonly gatewayId?: string | undefined };

/** A charge in the gateway's own book. */
export interface GatewayCharge {
  /** The idempotency key that it was made with; empty if it was made without one. */
  readonly key: string;
  readonly gatewayId: string;
  /** The payment it was made for, as far as the gateway's records say; empty if they do not. */
  readonly paymentId: string;
  readonly amount: Money;
  /** What of it was given back, in minor units. */
  readonly refundedUnits: bigint;
  /** When it was made, in milliseconds since the epoch. */
  readonly createdAtMs: number;
}

/** A period: from `startMs`, inclusive, to `endMs`, exclusive, in milliseconds since the epoch. */
export interface Period {
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * A payment gateway.
 *
 * Its outcomes are exactly three: approved, declined, or a throw, which means unknown. **Throw for everything that is not a
 * clear answer**: time-outs, 5xx (a replayed 5xx too), resets, replies that cannot be parsed, `409` for a call in flight.
 * The processor then asks by `lookup`, and sends again, with the same key, only where that is safe. Calls run side by side.
 *
 * Amounts are in ISO 4217's minor unit; where a gateway's own exponent differs the adapter converts.
 */
export interface Gateway {
  /** For logs and metrics: `acme`. */
  readonly name: string;
  readonly abilities: GatewayAbilities;
  /** Charges. */
  charge(request: ChargeRequest): Promise<ChargeAnswer>;
  /** Says what became of a charge, by its key. Never moves money. */
  lookup?(key: string, signal: AbortSignal): Promise<LookupAnswer>;
  /** Gives back a charge, or a part of it. */
  refund?(request: RefundRequest): Promise<RefundAnswer>;
  /** Lists the charges that succeeded in a period, page by page, in any order. For reconciliation. */
  listCharges?(period: Period): AsyncIterable<readonly GatewayCharge[]>;
}
