import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  MoneySchema,
  type Order,
  OrderEventSchema,
  OrderPlacedSchema,
  OrderSchema,
  OrderUpdateSchema,
  timestampFromMs,
} from '@paystream/core/contracts';
import type { Standing } from './standing.ts';

// An order is stored as its terms, encoded once, and its standing, in columns. The fields of the two do not overlap, so
// the encoded order is the one after the other, and a change neither reads nor writes the terms' fields.

function setStanding(order: Order, standing: Standing, currency: string): Order {
  order.state = standing.state;
  order.version = standing.version;
  order.reason = standing.reason;
  order.gatewayChargeId = standing.gatewayChargeId;
  order.updateTime = timestampFromMs(standing.updateMs);
  if (standing.refundedUnits > 0n) order.refunded = create(MoneySchema, { currency, units: standing.refundedUnits });
  return order;
}

/** The bytes of an order on which no standing is set yet. */
export function encodeTerms(order: Order): Uint8Array {
  return toBinary(OrderSchema, order);
}

/** The whole order. */
export function decodeOrder(terms: Uint8Array, standing: Standing): Order {
  const order = fromBinary(OrderSchema, terms);
  return setStanding(order, standing, order.total?.currency ?? '');
}

/** Completes the order that its terms were encoded from. */
export function withStanding(order: Order, standing: Standing): Order {
  return setStanding(order, standing, order.total?.currency ?? '');
}

function encodeStanding(standing: Standing, currency: string): Uint8Array {
  return toBinary(OrderSchema, setStanding(create(OrderSchema), standing, currency));
}

/** The bytes of an `OrderEvent` that an order was placed. */
export function encodePlaced(terms: Uint8Array, standing: Standing, currency: string): Uint8Array {
  return new BinaryWriter()
    .tag(OrderEventSchema.field.placed.number, WireType.LengthDelimited)
    .fork()
    .tag(OrderPlacedSchema.field.order.number, WireType.LengthDelimited)
    .fork()
    .raw(terms)
    .raw(encodeStanding(standing, currency))
    .join()
    .join()
    .finish();
}

/** The bytes of an `OrderUpdate`. */
export function encodeUpdate(terms: Uint8Array, standing: Standing, currency: string): Uint8Array {
  return new BinaryWriter()
    .tag(OrderUpdateSchema.field.order.number, WireType.LengthDelimited)
    .fork()
    .raw(terms)
    .raw(encodeStanding(standing, currency))
    .join()
    .finish();
}
