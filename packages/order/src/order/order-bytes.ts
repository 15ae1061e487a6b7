import { create } from '@bufbuild/protobuf';
import { protobuf } from '@paystream/core';
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

const orders = protobuf(OrderSchema);

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
  return orders.encode(order);
}

/** The whole order. */
export function decodeOrder(terms: Uint8Array, standing: Standing): Order {
  const order = orders.decode(terms);
  return setStanding(order, standing, order.total?.currency ?? '');
}

/** Completes the order that its terms were encoded from. */
export function withStanding(order: Order, standing: Standing): Order {
  return setStanding(order, standing, order.total?.currency ?? '');
}

function encodeStanding(standing: Standing, currency: string): Uint8Array {
  return orders.encode(setStanding(create(OrderSchema), standing, currency));
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size += 1;
  return size;
}

function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let position = at;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes[position++] = (rest & 0x7f) | 0x80;
  bytes[position++] = rest;
  return position;
}

const lengthDelimited = 2;

/** A message made of `first` and `second`, within messages of which each holds nothing but the next, in the field given. */
function within(fields: readonly number[], first: Uint8Array, second: Uint8Array): Uint8Array {
  const tags = fields.map((field) => (field << 3) | lengthDelimited);
  const lengths: number[] = [];
  let total = first.length + second.length;
  for (let index = tags.length - 1; index >= 0; index--) {
    lengths[index] = total;
    total += varintSize(tags[index] as number) + varintSize(total);
  }
  const bytes = Buffer.allocUnsafe(total);
  let at = 0;
  for (let index = 0; index < tags.length; index++) {
    at = writeVarint(bytes, writeVarint(bytes, at, tags[index] as number), lengths[index] as number);
  }
  bytes.set(first, at);
  bytes.set(second, at + first.length);
  return bytes;
}

const placedFields = [OrderEventSchema.field.placed.number, OrderPlacedSchema.field.order.number];
const updateFields = [OrderUpdateSchema.field.order.number];

/** The bytes of an `OrderEvent` that an order was placed. */
export function encodePlaced(terms: Uint8Array, standing: Standing, currency: string): Uint8Array {
  return within(placedFields, terms, encodeStanding(standing, currency));
}

/** The bytes of an `OrderUpdate`. */
export function encodeUpdate(terms: Uint8Array, standing: Standing, currency: string): Uint8Array {
  return within(updateFields, terms, encodeStanding(standing, currency));
}
