import { create, toBinary } from '@bufbuild/protobuf';
import { PaystreamError, type Topic, type TraceContext } from '@paystream/core';
import {
  type CancelOrderRequest,
  type Order,
  OrderCancelRequestedSchema,
  type OrderEvent,
  OrderEventSchema,
  timestampFromMs,
} from '@paystream/core/contracts';
import { type OutboxEvent, outboxEvent } from '@paystream/core/sql';
import type { EncodedEvent } from '../order/encoded-topic.ts';
import { requestCancel } from '../order/request-cancel.ts';
import { factEvent, type ProjectionContext, updateEvent } from '../projection/apply-transactions.ts';
import { type OrderRecord, orderOf } from '../store/order-record.ts';
import { retryAborted } from '../store/retry-aborted.ts';

/** What cancelling needs. */
export interface CancelContext extends ProjectionContext {
  readonly orders: Topic<OrderEvent, EncodedEvent>;
}

/** The error for an order that is not there, or is another merchant's. */
export function unknownOrder(orderId: string, merchantId: string): PaystreamError {
  return new PaystreamError('NOT_FOUND', `merchant "${merchantId}" has no order "${orderId}"`, {
    reason: 'UNKNOWN_ORDER',
    details: { orderId, merchantId },
  });
}

function requested(context: CancelContext, record: OrderRecord, trace: TraceContext): OutboxEvent {
  const { orderId, merchantId } = record.terms;
  const { reason, updateMs } = record.standing;
  const value = create(OrderCancelRequestedSchema, { orderId, merchantId, reason, requestTime: timestampFromMs(updateMs) });
  const event = create(OrderEventSchema, { event: { case: 'cancelRequested', value } });
  return outboxEvent(context.orders, { key: orderId, bytes: toBinary(OrderEventSchema, event) }, { occurredAtMs: updateMs, ...trace });
}

/** Hands a wish to cancel to payment: the row, the event for payment, the news and the business entry in one transaction. */
export async function cancelOrder(context: CancelContext, request: CancelOrderRequest, nowMs: number, trace: TraceContext): Promise<Order> {
  const { orderId, merchantId, reason } = request;
  const { store, outbox, watchers } = context;
  const { record, changed } = await retryAborted(() =>
    context.database.transaction(async (tx) => {
      const before = (await store.find(tx, [orderId])).get(orderId);
      if (before === undefined || before.terms.merchantId !== merchantId) throw unknownOrder(orderId, merchantId);
      const verdict = requestCancel(before.standing, reason, nowMs);
      if (verdict.kind === 'unchanged') return { record: before, changed: false };
      if (verdict.kind === 'refused') {
        throw new PaystreamError('FAILED_PRECONDITION', verdict.message, { reason: verdict.reason, details: { orderId } });
      }
      const after = { ...before, standing: verdict.standing };
      await store.update(tx, [{ orderId, fromVersion: before.standing.version, standing: after.standing }]);
      await outbox.add(tx, [
        requested(context, after, trace),
        updateEvent(context, after, trace),
        factEvent(context, after, verdict.fact, trace),
      ]);
      return { record: after, changed: true };
    }),
  );
  const order = orderOf(record);
  if (changed && watchers.wants(orderId)) watchers.offer(orderOf(record));
  return order;
}
