import { create, toBinary } from '@bufbuild/protobuf';
import { createIdGenerator, systemClock, systemRandom } from '@paystream/core';
import { type CreateOrderRequest, CreateOrderRequestSchema } from '@paystream/core/contracts';
import type { CatalogSeed } from '@paystream/order';

const nextId = createIdGenerator(systemClock, systemRandom);

/** The merchant and the products of {@link orderRequest}: those of the reference stack. */
export const seed: CatalogSeed = {
  merchant: {
    merchantId: 'merchant-1',
    name: 'Nordlicht Coffee Roasters',
    email: 'orders@nordlicht-coffee.example',
    phone: '+4930123456',
    currency: 'EUR',
    bankAccountReference: 'ba_nordlicht',
  },
  products: [
    { productId: 'coffee-1kg', name: 'House espresso, 1 kg', unitPrice: { currency: 'EUR', units: 2_190n } },
    { productId: 'filter-papers', name: 'Filter papers, 100', unitPrice: { currency: 'EUR', units: 450n } },
  ],
};

/** A request as a shop sends it, with a request id of its own. */
export function orderRequest(): CreateOrderRequest {
  return create(CreateOrderRequestSchema, {
    requestId: nextId(),
    merchantId: 'merchant-1',
    customer: { customerId: 'customer-17', name: 'Ada Example', email: 'ada@example.org', phone: '+4930123456' },
    paymentMethod: { reference: 'pm_card_visa' },
    items: [
      { productId: 'coffee-1kg', quantity: 2 },
      { productId: 'filter-papers', quantity: 1 },
    ],
  });
}

/** Requests as they go over the wire. */
export function encodedRequests(count: number): readonly Buffer[] {
  return Array.from({ length: count }, () => Buffer.from(toBinary(CreateOrderRequestSchema, orderRequest())));
}
