import { create } from '@bufbuild/protobuf';
import type { TraceContext } from '@paystream/core';
import {
  type CreateOrderRequest,
  type Order,
  OrderSchema,
  OrderState,
  PricedItemSchema,
  timestampFromMs,
  toMoneyMessage,
} from '@paystream/core/contracts';
import { encodeTerms } from '../order/order-bytes.ts';
import type { Standing } from '../order/standing.ts';
import type { NewOrder } from '../store/order-record.ts';
import { invalidRequest } from './check-request.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { PricedOrder } from './price-items.ts';

/** An order that is to be placed. */
export interface Draft extends NewOrder {
  /** The message that the terms were encoded from. */
  readonly order: Order;
  /** Of the request. */
  readonly trace: TraceContext;
}

/** What a draft is made from, beside the request. */
export interface DraftContext {
  readonly orderId: string;
  readonly nowMs: number;
  readonly expiryMs: number;
  readonly trace: TraceContext;
}

/** An order as it begins. */
function newStanding(nowMs: number): Standing {
  return {
    state: OrderState.PENDING,
    version: 1n,
    paymentVersion: 0n,
    reason: '',
    gatewayChargeId: '',
    refundedUnits: 0n,
    updateMs: nowMs,
  };
}

/** What is added to an order later, and what a broker adds to its message, fits between this and the 5 MiB that brokers take by default. */
const maxBytes = 4 * 1024 * 1024;

/** Encodes terms; throws `INVALID_ARGUMENT` / `ORDER_TOO_LARGE` for those that no message could tell of. */
function encodeFitting(order: Order): Uint8Array {
  const bytes = encodeTerms(order);
  if (bytes.length <= maxBytes) return bytes;
  const description = `come to ${bytes.length} bytes with the names of their products, and an order has at most ${maxBytes}`;
  throw invalidRequest('ORDER_TOO_LARGE', [{ field: 'items', description }]);
}

/** Makes the order that a priced request asks for. Throws `INVALID_ARGUMENT` / `ORDER_TOO_LARGE`. */
export function draftOrder(request: CreateOrderRequest, priced: PricedOrder, context: DraftContext): Draft {
  const { orderId, nowMs, expiryMs, trace } = context;
  const order = create(OrderSchema);
  order.orderId = orderId;
  order.merchantId = request.merchantId;
  order.requestId = request.requestId;
  if (request.customer !== undefined) order.customer = request.customer;
  if (request.paymentMethod !== undefined) order.paymentMethod = request.paymentMethod;
  order.items = priced.lines.map((line) => {
    const item = create(PricedItemSchema);
    item.productId = line.productId;
    item.name = line.name;
    item.quantity = line.quantity;
    item.unitPrice = toMoneyMessage(line.unitPrice);
    item.total = toMoneyMessage(line.total);
    return item;
  });
  order.total = toMoneyMessage(priced.total);
  order.createTime = timestampFromMs(nowMs);
  order.expireTime = timestampFromMs(nowMs + expiryMs);
  return {
    order,
    trace,
    requestId: request.requestId,
    fingerprint: fingerprintOf(request),
    createMs: nowMs,
    terms: { orderId, merchantId: request.merchantId, currency: priced.total.currency, totalUnits: priced.total.units },
    standing: newStanding(nowMs),
    bytes: encodeFitting(order),
  };
}
