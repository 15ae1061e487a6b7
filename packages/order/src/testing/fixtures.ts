import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { PaystreamError } from '@paystream/core';
import { PaymentState, type TransactionEvent, TransactionEventSchema, timestampFromMs } from '@paystream/core/contracts';
import type { Product } from '../catalog/port.ts';
import type { CreateOrderInput } from '../service/port.ts';

// What the tests of this package share.

/** A customer who can be charged. */
const customer = { customerId: 'c-1', name: 'Ada Lovelace', email: 'ada@example.org', phone: '+4930123456' } as const;

/** A request for two cups of tea: 9.00 EUR at the prices of {@link products}. */
export function teaOrder(requestId: string, change: Partial<CreateOrderInput> = {}): CreateOrderInput {
  return {
    requestId,
    merchantId: 'm-1',
    customer,
    paymentMethod: { reference: 'pm_card_visa' },
    items: [{ productId: 'tea', quantity: 2 }],
    ...change,
  } as CreateOrderInput;
}

/** What the merchants of the tests sell. */
export const products: Readonly<Record<'m-1' | 'm-2', readonly Product[]>> = {
  'm-1': [
    { productId: 'tea', name: 'Green tea', unitPrice: { currency: 'EUR', units: 450n } },
    { productId: 'cup', name: 'Cup', unitPrice: { currency: 'EUR', units: 1_200n } },
    { productId: 'sample', name: 'Sample', unitPrice: { currency: 'EUR', units: 0n } },
    { productId: 'import', name: 'Imported tea', unitPrice: { currency: 'USD', units: 700n } },
    { productId: 'palace', name: 'Palace', unitPrice: { currency: 'EUR', units: 2n ** 62n } },
  ],
  'm-2': [{ productId: 'pen', name: 'Pen', unitPrice: { currency: 'USD', units: 300n } }],
};

type EventInit = MessageInitShape<typeof TransactionEventSchema>;
type Outcome = Exclude<EventInit['outcome'], undefined>;

const stateAfter: Readonly<Record<string, PaymentState>> = {
  settled: PaymentState.SETTLED,
  declined: PaymentState.DECLINED,
  expired: PaymentState.EXPIRED,
  canceled: PaymentState.CANCELED,
  parked: PaymentState.IN_REVIEW,
};

/** An event of payment about an order. */
export function transaction(
  order: { readonly orderId: string; readonly merchantId: string },
  version: number,
  outcome: Outcome,
  state: PaymentState = stateAfter[outcome.case ?? ''] ?? PaymentState.UNSPECIFIED,
): TransactionEvent {
  return create(TransactionEventSchema, {
    paymentId: `pay-${order.orderId}`,
    orderId: order.orderId,
    merchantId: order.merchantId,
    state,
    version: BigInt(version),
    decideTime: timestampFromMs(1_767_225_600_000 + version),
    outcome,
  });
}

/** The outcome that the customer was charged. */
export function settled(units: bigint, currency = 'EUR'): Outcome {
  return { case: 'settled', value: { operationId: 'op-1', gatewayChargeId: 'ch-1', captured: { currency, units }, attempt: 1 } };
}

/** The outcome that so much was given back in all. */
export function refunded(unitsInAll: bigint, currency = 'EUR'): Outcome {
  return { case: 'refunded', value: { operationId: `re-${unitsInAll}`, refundedInAll: { currency, units: unitsInAll } } };
}

/** The error that a call rejects with. Throws if it does not. */
export async function errorOf(call: Promise<unknown>): Promise<PaystreamError> {
  try {
    await call;
  } catch (error) {
    return PaystreamError.from(error);
  }
  throw new Error('expected an error, but the call succeeded');
}
