import { create, type DescMessage, fromBinary, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { protobuf } from '@paystream/core';
import { CreateOrderRequestSchema, LogEntrySchema, OrderEventSchema, TransactionEventSchema } from '@paystream/core/contracts';
import { type Benchmark, compare, type Finding, perSecond } from './compare.ts';

const messages = 100_000;

const id = '0198c5f2-7f0a-7c3e-b1de-52d2b0f1a9c3';
const merchantId = 'merchant-7';
const time = { seconds: 1_790_000_000n, nanos: 123_000_000 };
const euro = (units: bigint) => ({ currency: 'EUR', units });
const customer = { customerId: 'customer-1', name: 'Ada Lovelace', email: 'ada@example.com', phone: '+4915112345678' };
const paymentMethod = { reference: 'pm_card_visa' };
const items = ['book', 'pen'].map((productId) => ({
  productId,
  name: `A ${productId}`,
  quantity: 2,
  unitPrice: euro(1_299n),
  total: euro(2_598n),
}));

async function both<S extends DescMessage>(name: string, schema: S, init: MessageInitShape<S>): Promise<readonly Finding[]> {
  const codec = protobuf(schema);
  const message: MessageShape<S> = create(schema, init);
  const bytes = Buffer.from(toBinary(schema, message));
  const round = (work: () => unknown) => () =>
    perSecond(messages, async () => {
      for (let index = 0; index < messages; index++) work();
    });
  const unit = 'messages/s';
  return [
    await compare({
      case: `${name} read, ${bytes.length} B`,
      unit,
      measured: { name: 'the codec', round: round(() => codec.decode(bytes)) },
      reference: { name: 'fromBinary', round: round(() => fromBinary(schema, bytes)) },
    }),
    await compare({
      case: `${name} written, ${bytes.length} B`,
      unit,
      measured: { name: 'the codec', round: round(() => codec.encode(message)) },
      reference: { name: 'toBinary', round: round(() => toBinary(schema, message)) },
    }),
  ];
}

export const benchmark: Benchmark = {
  name: 'protobuf',
  question: 'How much faster are messages read and written than by the library that their types come from?',
  run: async () => [
    ...(await both('LogEntry', LogEntrySchema, {
      entryId: id,
      kind: 1,
      level: 3,
      service: 'order',
      event: 'order.placed',
      message: 'Order placed: 2 items, 51.96 EUR',
      orderId: id,
      merchantId,
      attributes: { total: '5196', currency: 'EUR', items: '2' },
      eventTime: time,
    })),
    ...(await both('CreateOrderRequest', CreateOrderRequestSchema, {
      requestId: id,
      merchantId,
      customer,
      paymentMethod,
      items: items.map(({ productId, quantity }) => ({ productId, quantity })),
      currency: 'EUR',
    })),
    ...(await both('OrderEvent, placed', OrderEventSchema, {
      event: {
        case: 'placed',
        value: {
          order: {
            orderId: id,
            merchantId,
            requestId: id,
            state: 1,
            version: 1n,
            customer,
            paymentMethod,
            items,
            total: euro(5_196n),
            createTime: time,
            updateTime: time,
            expireTime: time,
          },
        },
      },
    })),
    ...(await both('TransactionEvent, settled', TransactionEventSchema, {
      paymentId: `pay-${id}`,
      orderId: id,
      merchantId,
      state: 2,
      version: 3n,
      amount: euro(5_196n),
      decideTime: time,
      outcome: {
        case: 'settled',
        value: { operationId: `capture-${id}`, gatewayChargeId: 'ch_3NvQx2eZvKYlo2C', captured: euro(5_196n), attempt: 1 },
      },
    })),
  ],
};
