import type { Running } from '@paystream/core';
import type { Payment, ReconcileResponse } from '@paystream/core/contracts';
import type { Period } from '../gateway/port.ts';

/** A running payment processor. */
export interface PaymentProcessor extends Running, AsyncDisposable {
  /** The payment of an order with all its attempts; `undefined` if there is none. */
  getPayment(orderId: string): Promise<Payment | undefined>;
  /**
   * Compares the gateway's own list of charges with the attempts stored here, for a period (default: all time). What was
   * begun while it runs may show up as a difference. It keeps some 100 bytes for each charge of the period.
   *
   * Throws `FAILED_PRECONDITION` / `GATEWAY_CANNOT_LIST` if the gateway cannot list its charges.
   */
  reconcile(period?: Partial<Period>): Promise<ReconcileResponse>;
  /** How many orders have a call to the gateway under way. */
  readonly inFlight: number;
}
