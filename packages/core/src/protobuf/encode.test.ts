import { create, type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, StringValueSchema, StructSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HealthListResponseSchema } from '../gen/grpc/health/v1/health_pb.ts';
import { CustomerSchema, OrderSchema } from '../gen/paystream/order/v1/order_pb.ts';
import { encodeMessage } from './encode.ts';
import { anyMessage, contracts } from './test-support.ts';

function expectSame(desc: DescMessage, message: Message): void {
  expect(Buffer.from(encodeMessage(desc, message)).equals(toBinary(desc, message))).toBe(true);
}

describe('encoding', () => {
  it.each(contracts.map((desc) => [desc.typeName, desc] as const))(
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
    expectSame(FileDescriptorProtoSchema, OrderSchema.file.proto);
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
