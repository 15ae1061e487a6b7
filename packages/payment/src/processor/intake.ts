import { type Delivery, type Money, PaystreamError, type TraceContext } from '@paystream/core';
import { characterCount, fromMoneyMessage, msFromTimestamp, type Order, type OrderEvent } from '@paystream/core/contracts';
import { bounded } from '../payment/bounded.ts';
import type { PlacedOrder } from '../payment/payment.ts';
import type { PaymentPolicy } from '../payment/policy.ts';
import type { PaymentInput } from './decider.ts';

function refuse(orderId: string, field: string, description: string, cause?: unknown): never {
  throw new PaystreamError('INVALID_ARGUMENT', `an order event for order "${orderId}" cannot be charged: ${field}: ${description}`, {
    reason: 'INVALID_ORDER_EVENT',
    violations: [{ field, description }],
    ...(cause === undefined ? {} : { cause }),
  });
}

function fitting(orderId: string, field: string, value: string, maxLength: number): string {
  const length = value.length > maxLength ? characterCount(value) : 0;
  return length > maxLength ? refuse(orderId, field, `${length} characters are more than the ${maxLength} allowed`) : value;
}

function required(orderId: string, field: string, value: string | undefined, maxLength: number): string {
  if (value === undefined || value === '') return refuse(orderId, field, 'must not be empty');
  return fitting(orderId, field, value, maxLength);
}

function amountOf(order: Order): Money {
  let amount: Money;
  try {
    amount = fromMoneyMessage(order.total);
  } catch (cause) {
    return refuse(order.orderId, 'order.total', PaystreamError.from(cause).message, cause);
  }
  if (amount.units <= 0n) return refuse(order.orderId, 'order.total.units', `${amount.units} is not more than 0`);
  return amount;
}

function placedOrder(order: Order | undefined, occurredAtMs: number, policy: PaymentPolicy, trace: TraceContext | undefined): PlacedOrder {
  if (order === undefined) return refuse('', 'order', 'must be set');
  const orderId = required(order.orderId, 'order.order_id', order.orderId, 64);
  const placedAtMs = msFromTimestamp(order.createTime) || occurredAtMs;
  const ownExpiryMs = msFromTimestamp(order.expireTime) || Number.POSITIVE_INFINITY;
  return {
    orderId,
    merchantId: required(orderId, 'order.merchant_id', order.merchantId, 64),
    customerId: fitting(orderId, 'order.customer.customer_id', order.customer?.customerId ?? '', 255),
    paymentMethod: required(orderId, 'order.payment_method.reference', order.paymentMethod?.reference, 255),
    amount: amountOf(order),
    expiresAtMs: Math.min(placedAtMs + policy.expiryMs, ownExpiryMs),
    trace,
  };
}

/**
 * What a batch of order events is to payments. A cancellation that comes together with its order is handed over with it, so
 * that no charge is begun for it. Throws `INVALID_ARGUMENT` for an event that nothing can be done with.
 */
export function readOrderEvents(batch: readonly Delivery<OrderEvent>[], policy: PaymentPolicy): readonly PaymentInput[] {
  const inputs: PaymentInput[] = [];
  const placedHere = new Map<string, number>();
  for (const { value, occurredAtMs, traceparent, tracestate } of batch) {
    const { event } = value;
    const trace = traceparent === undefined ? undefined : { traceparent, tracestate };
    if (event.case === 'placed') {
      const order = placedOrder(event.value.order, occurredAtMs, policy, trace);
      if (!placedHere.has(order.orderId)) placedHere.set(order.orderId, inputs.length);
      inputs.push({ orderId: order.orderId, event: { kind: 'placed', order } });
    } else if (event.case === 'cancelRequested') {
      const orderId = required('', 'order_id', event.value.orderId, 64);
      const merchantId = required(orderId, 'merchant_id', event.value.merchantId, 64);
      const reason = bounded(event.value.reason) || 'no reason was given';
      const at = placedHere.get(orderId);
      const placed = at === undefined ? undefined : inputs[at];
      if (at !== undefined && placed?.event.kind === 'placed') {
        inputs[at] = { orderId, event: { ...placed.event, cancelReason: placed.event.cancelReason ?? reason } };
      }
      inputs.push({ orderId, event: { kind: 'cancel-requested', orderId, merchantId, reason }, trace });
    } else {
      refuse('', 'event', 'must be set');
    }
  }
  return inputs;
}
