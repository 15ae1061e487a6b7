import type { Running } from '@paystream/core';
import type { Payment, ReconcileResponse } from '@paystream/core/contracts';
import type { Period } from '../gateway/port.ts';
import type { Refund } from '../refund/refund.ts';
import type { RefundInput } from '../refund/refunds.ts';

/** A running payment processor. */
export interface PaymentProcessor extends Running, AsyncDisposable {
  /** The payment of an order with all its attempts; `undefined` if there is none. */
  getPayment(orderId: string): Promise<Payment | undefined>;
  /**
   * Gives back a part of what an order was charged, or all of it; once for each `requestId`. Resolves when the gateway has
   * answered, or once its time is up: then with status `UNKNOWN`, and it goes on by itself.
   *
   * Throws `NOT_FOUND` / `UNKNOWN_PAYMENT`; `FAILED_PRECONDITION` / `NOT_REFUNDABLE`, `REFUND_TOO_LARGE`; `ALREADY_EXISTS` /
   * `REQUEST_ID_REUSED` for an id that was used with another amount; `UNSUPPORTED` if the gateway cannot do it;
   * `INVALID_ARGUMENT` / `INVALID_REQUEST_ID` for an id that is empty, has more than 128 characters or is not
   * well-formed Unicode; `UNAVAILABLE` / `CLOSED`.
   * `ABORTED` / `PAYMENT_MOVED`, and `ABORTED` / `REFUND_MOVED` once it is stored, where somebody else was faster; `DATA_LOSS` /
   * `REFUND_GONE`, retryable, where a node of the database does not show yet what was stored by another. What was stored goes on
   * by itself, and the same `requestId` gives its outcome.
   *
   * @example
   * const refund = await processor.refund({ orderId, requestId: 'return-17', amount: money('EUR', 500n) });
   */
  refund(input: RefundInput): Promise<Refund>;
  /**
   * Compares the gateway's own list of charges with the attempts stored here, for a period (default: all time), which ends now
   * at the latest. What was begun when it began may show up as a difference. It keeps some megabytes, whatever the number of
   * charges, and some 100 bytes for each attempt stored here that differs; the gateway is asked for its list once, and again
   * where the books differ.
   *
   * Throws `FAILED_PRECONDITION` / `GATEWAY_CANNOT_LIST` if the gateway cannot list its charges.
   */
  reconcile(period?: Partial<Period>): Promise<ReconcileResponse>;
  /** How many orders have a call to the gateway under way. */
  readonly inFlight: number;
}
