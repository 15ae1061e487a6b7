import { create } from '@bufbuild/protobuf';
import { PaystreamError } from '@paystream/core';
import { createBusinessLog, OrderSchema, OrderState, paystreamTopics } from '@paystream/core/contracts';
import type { Database, Outbox, Transaction } from '@paystream/core/sql';
import { createVirtualClock } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { encodedTopic } from '../order/encoded-topic.ts';
import { encodeTerms } from '../order/order-bytes.ts';
import type { NewOrder } from '../store/order-record.ts';
import type { OrderStore } from '../store/order-store.ts';
import type { Draft } from './new-order.ts';
import { type PlacingContext, placeOrders } from './place-orders.ts';

function draftOf(requestId: string): Draft {
  const order = create(OrderSchema, { orderId: `o-${requestId}`, merchantId: 'm-1', requestId, total: { currency: 'EUR', units: 900n } });
  return {
    order,
    requestId,
    trace: {},
    fingerprint: Buffer.from(requestId),
    createMs: 0,
    terms: { orderId: order.orderId, merchantId: 'm-1', currency: 'EUR', totalUnits: 900n },
    standing: {
      state: OrderState.PENDING,
      version: 1n,
      paymentVersion: 0n,
      reason: '',
      gatewayChargeId: '',
      refundedUnits: 0n,
      updateMs: 0,
    },
    bytes: encodeTerms(order),
  };
}

/** A database that takes request ids for the same that differ in case alone. */
function caseless(): PlacingContext {
  const clock = createVirtualClock();
  const topics = paystreamTopics();
  const rows = new Map<string, NewOrder>();
  const store: Partial<OrderStore> = {
    insert: async (_, orders) =>
      orders.map((order) => {
        const key = order.requestId.toLowerCase();
        if (rows.has(key)) return false;
        rows.set(key, order);
        return true;
      }),
    findRequests: async (_, _merchantId, requestIds) =>
      [...new Set(requestIds.map((id) => rows.get(id.toLowerCase())))]
        .filter((row) => row !== undefined)
        .map((record) => ({ requestId: record.requestId, fingerprint: record.fingerprint, record })),
  };
  return {
    database: { exclusive: false, transaction: (work) => work({} as Transaction) } as Database,
    store: store as OrderStore,
    outbox: { add: async () => ({ committed: () => undefined }) } as unknown as Outbox,
    orders: encodedTopic(topics.orders),
    businessLog: createBusinessLog({ topic: topics.orderLogs, service: 'order', clock, nextId: () => 'id' }),
  };
}

it('no order is said to be placed that was not stored, though the database takes its request id for that of another', async () => {
  const context = caseless();
  const [stored, other] = await placeOrders(context, [draftOf('Ab-1'), draftOf('ab-1')]);
  expect(stored).toMatchObject({ order: { orderId: 'o-Ab-1' }, isNew: true });
  for (const lost of [other, ...(await placeOrders(context, [draftOf('ab-1'), draftOf('ab-1')]))]) {
    expect(PaystreamError.is(lost)).toBe(true);
    expect(lost).toMatchObject({ code: 'INTERNAL', reason: 'REQUEST_LOST', details: { requestId: 'ab-1', merchantId: 'm-1' } });
  }
  expect(await placeOrders(context, [draftOf('Ab-1')])).toMatchObject([{ order: { orderId: 'o-Ab-1' }, isNew: false }]);
});
