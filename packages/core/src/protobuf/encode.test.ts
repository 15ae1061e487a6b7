import { create, type DescField, type DescMessage, type Message, ScalarType, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, StringValueSchema, StructSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HealthListResponseSchema } from '../gen/grpc/health/v1/health_pb.ts';
import { file_paystream_log_v1_log } from '../gen/paystream/log/v1/log_pb.ts';
import { file_paystream_notify_v1_notify } from '../gen/paystream/notify/v1/notify_pb.ts';
import { file_paystream_order_v1_order_events } from '../gen/paystream/order/v1/order_events_pb.ts';
import { CustomerSchema, file_paystream_order_v1_order, OrderSchema } from '../gen/paystream/order/v1/order_pb.ts';
import { file_paystream_order_v1_order_service } from '../gen/paystream/order/v1/order_service_pb.ts';
import { file_paystream_payment_v1_payment_events } from '../gen/paystream/payment/v1/payment_events_pb.ts';
import { file_paystream_wallet_v1_wallet } from '../gen/paystream/wallet/v1/wallet_pb.ts';
import { encodeMessage } from './encode.ts';

const files = [
  file_paystream_log_v1_log,
  file_paystream_notify_v1_notify,
  file_paystream_order_v1_order,
  file_paystream_order_v1_order_events,
  file_paystream_order_v1_order_service,
  file_paystream_payment_v1_payment_events,
  file_paystream_wallet_v1_wallet,
];

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 200 }), fc.constant('x'.repeat(300)), fc.constant('\ud800'));
const scalars: { readonly [type in ScalarType]?: fc.Arbitrary<unknown> } = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.BYTES]: fc.uint8Array({ maxLength: 300 }),
  [ScalarType.INT32]: fc.integer(),
  [ScalarType.UINT32]: fc.nat(),
  [ScalarType.INT64]: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constant(0n)),
  [ScalarType.UINT64]: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  [ScalarType.DOUBLE]: fc.double(),
};

function anyValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return anyMessage(field.message, depth - 1);
  if (field.enum !== undefined) return fc.constantFrom(...field.enum.values.map(({ number }) => number));
  return scalars[field.scalar ?? ScalarType.STRING] ?? fc.constant(undefined);
}

function anyField(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.fieldKind === 'list') return fc.array(anyValue(field, depth), { maxLength: depth > 0 ? 4 : 0 });
  if (field.fieldKind === 'map') return fc.dictionary(fc.string(), anyValue(field, depth), { maxKeys: 4 });
  return anyValue(field, depth);
}

/** Messages of a type with any of their fields set to anything. */
function anyMessage(desc: DescMessage, depth = 3): fc.Arbitrary<Message> {
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const member of desc.members) {
    if (member.kind === 'oneof') {
      const cases = member.fields.map((field) => anyValue(field, depth).map((value) => ({ case: field.localName, value })));
      members[member.localName] = fc.oneof(fc.constant({ case: undefined }), ...cases);
    } else if (member.fieldKind !== 'message' || depth > 0) members[member.localName] = anyField(member, depth);
  }
  return fc.record(members, { requiredKeys: [] }).map((init) => create(desc, init));
}

function expectSame(desc: DescMessage, message: Message): void {
  expect(Buffer.from(encodeMessage(desc, message)).equals(toBinary(desc, message))).toBe(true);
}

describe('encoding', () => {
  it.each(files.flatMap((file) => file.messages).map((desc) => [desc.typeName, desc] as const))(
    'gives what everybody else reads as the same %s, whatever it holds',
    (_name, desc) => {
      fc.assert(
        fc.property(anyMessage(desc), (message) => expectSame(desc, message)),
        { numRuns: 60 },
      );
    },
  );

  it('leaves what it does not know to the library', () => {
    const order = create(OrderSchema, { orderId: 'o' });
    order.$unknown = [{ no: 900, wireType: 0, data: Uint8Array.of(5) }];
    expectSame(OrderSchema, order);
    expectSame(StringValueSchema, create(StringValueSchema, { value: 'x' }));
    const struct = create(StructSchema, { fields: { a: { kind: { case: 'numberValue', value: 1 } } } });
    expectSame(StructSchema, struct);
    expectSame(HealthListResponseSchema, create(HealthListResponseSchema, { statuses: { a: { status: 1 } } }));
    expectSame(FileDescriptorProtoSchema, file_paystream_order_v1_order.proto);
  });

  it('refuses what is no such message, with the errors of the library', () => {
    const errorOf = (work: () => unknown): string => {
      try {
        work();
        return 'none';
      } catch (error) {
        return String(error);
      }
    };
    const wrong = [
      { ...create(OrderSchema), $typeName: 'other' },
      { ...create(OrderSchema), items: undefined },
      { ...create(OrderSchema), state: 1.5 },
      { ...create(OrderSchema), version: 2n ** 64n },
      { ...create(OrderSchema), total: { $typeName: 'paystream.type.v1.Money', currency: 'EUR', units: 'much' } },
    ] as unknown as Message[];
    for (const message of wrong) {
      const expected = errorOf(() => toBinary(OrderSchema, message as never));
      expect(errorOf(() => encodeMessage(OrderSchema, message as never))).toBe(expected);
      expect(expected).not.toBe('none');
    }
    expectSame(OrderSchema, create(OrderSchema, { orderId: 'after an error' }));
  });

  it('gives bytes that later messages leave alone', () => {
    const messages = Array.from({ length: 2_000 }, (_, index) => create(CustomerSchema, { name: `n${index}`.padEnd(index % 900, '.') }));
    const encoded = messages.map((message) => encodeMessage(CustomerSchema, message));
    const large = create(CustomerSchema, { name: 'x'.repeat(3_000_000) });
    expectSame(CustomerSchema, large);
    messages.forEach((message, index) => {
      expect(Buffer.from(encoded[index] ?? []).equals(toBinary(CustomerSchema, message))).toBe(true);
    });
  });
});
