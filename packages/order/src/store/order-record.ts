import type { Order, OrderState } from '@paystream/core/contracts';
import { decodeOrder } from '../order/order-bytes.ts';
import type { Standing, Terms } from '../order/standing.ts';

/** An order as it is stored. */
export interface OrderRecord {
  readonly terms: Terms;
  readonly standing: Standing;
  /** The encoded order without its standing. */
  readonly bytes: Uint8Array;
}

/** An order that is to be stored. */
export interface NewOrder extends OrderRecord {
  readonly requestId: string;
  readonly fingerprint: Uint8Array;
  readonly createMs: number;
}

/** A row of `orders`, as far as a record needs it. */
export interface OrderRow {
  readonly order_id: string;
  readonly merchant_id: string;
  readonly state: OrderState;
  readonly version: number | bigint;
  readonly payment_version: number | bigint;
  readonly currency: string;
  readonly total: number | bigint;
  readonly refunded: number | bigint;
  readonly reason: string;
  readonly gateway_charge_id: string;
  readonly update_ms: number;
  readonly terms: Uint8Array;
}

/** The columns of {@link OrderRow}. */
export const recordColumns =
  'order_id, merchant_id, state, version, payment_version, currency, total, refunded, reason, gateway_charge_id, update_ms, terms';

/** Reads a row. */
export function recordOf(row: OrderRow): OrderRecord {
  return {
    terms: { orderId: row.order_id, merchantId: row.merchant_id, currency: row.currency, totalUnits: BigInt(row.total) },
    standing: {
      state: row.state,
      version: BigInt(row.version),
      paymentVersion: BigInt(row.payment_version),
      reason: row.reason,
      gatewayChargeId: row.gateway_charge_id,
      refundedUnits: BigInt(row.refunded),
      updateMs: row.update_ms,
    },
    bytes: row.terms,
  };
}

/** The order of a record. */
export function orderOf(record: OrderRecord): Order {
  return decodeOrder(record.bytes, record.standing);
}
