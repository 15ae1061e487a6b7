import { create, equals, fromBinary } from '@bufbuild/protobuf';
import { CreateOrderRequestSchema, OrderEventSchema, OrderSchema, OrderState, OrderUpdateSchema } from '@paystream/core/contracts';
import { describe, expect, it } from 'vitest';
import { draftOrder } from '../placing/new-order.ts';
import { priceItems } from '../placing/price-items.ts';
import { products, teaOrder } from '../testing/fixtures.ts';
import { decodeOrder, encodePlaced, encodeUpdate, withStanding } from './order-bytes.ts';

function draft(): ReturnType<typeof draftOrder> {
  const request = create(CreateOrderRequestSchema, teaOrder('r-1'));
  const priced = priceItems(request, new Map(products['m-1'].map((product) => [product.productId, product])));
  return draftOrder(request, priced, { orderId: 'o-1', nowMs: 1_000, expiryMs: 500, trace: {} });
}

describe('an order as it is stored and sent', () => {
  it('is whole in the event that payment charges by', () => {
    const { bytes, standing, order } = draft();
    const { event } = fromBinary(OrderEventSchema, encodePlaced(bytes, standing, 'EUR'));
    const sent = event.case === 'placed' ? event.value.order : undefined;
    expect(sent && equals(OrderSchema, sent, withStanding(order, standing))).toBe(true);
    expect(sent).toMatchObject({ state: OrderState.PENDING, version: 1n, total: { units: 900n, currency: 'EUR' } });
  });

  it('shows each change over unchanged terms', () => {
    const { bytes, standing } = draft();
    const later = {
      ...standing,
      state: OrderState.PARTIALLY_REFUNDED,
      version: 3n,
      gatewayChargeId: 'ch-1',
      refundedUnits: 300n,
      updateMs: 2_000,
    };
    const read = decodeOrder(bytes, later);
    const { order } = fromBinary(OrderUpdateSchema, encodeUpdate(bytes, later, 'EUR'));
    expect(order && equals(OrderSchema, order, read)).toBe(true);
    expect(order).toMatchObject({
      version: 3n,
      refunded: { units: 300n },
      updateTime: { seconds: 2n, nanos: 0 },
      items: [{ quantity: 2 }],
    });
  });
});
