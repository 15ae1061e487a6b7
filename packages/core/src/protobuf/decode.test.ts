import { inspect, isDeepStrictEqual } from 'node:util';
import { create, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BoolValueSchema, FileDescriptorProtoSchema, StringValueSchema, StructSchema, TypeSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CustomerSchema, OrderSchema } from '../gen/paystream/order/v1/order_pb.ts';
import { decodeMessage } from './decode.ts';
import { anyMessage, contracts, everyKinds, grouped } from './test-support.ts';

function outcome(work: () => object): unknown {
  try {
    return { message: work() };
  } catch (error) {
    return { error: String(error) };
  }
}

function expectSame(desc: DescMessage, bytes: Uint8Array): unknown {
  const expected = outcome(() => fromBinary(desc, bytes));
  const decoded = outcome(() => decodeMessage(desc, bytes));
  if (!isDeepStrictEqual(decoded, expected)) expect(inspect(decoded, { depth: 9 })).toBe(inspect(expected, { depth: 9 }));
  return expected;
}

const types = [...contracts, ...everyKinds, grouped, FileDescriptorProtoSchema, TypeSchema, StructSchema].map(
  (desc) => [desc.typeName, desc] as const,
);

/** The bytes with some of them removed, replaced or added. */
function mutated(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(), drop: fc.nat(2), add: fc.uint8Array({ maxLength: 3 }) });
  return fc.tuple(bytes, fc.array(change, { minLength: 1, maxLength: 4 })).map(([whole, changes]) =>
    changes.reduce((rest, { at, drop, add }) => {
      const from = at % (rest.length + 1);
      return Uint8Array.from([...rest.subarray(0, from), ...add, ...rest.subarray(from + drop)]);
    }, whole),
  );
}

describe('decoding', () => {
  it.each(types)('reads a %s as the library does', (_name, desc) => {
    const depth = desc.fields.length > 50 ? 1 : 2;
    const encoded = anyMessage(desc, depth).map((message) => toBinary(desc, message));
    fc.assert(
      fc.property(encoded, (bytes) => {
        expectSame(desc, bytes);
        const message = fromBinary(desc, bytes);
        expect(Object.keys(decodeMessage(desc, bytes)).sort()).toEqual(Object.keys(message).sort());
        expectSame(desc, Buffer.from(bytes));
      }),
      { numRuns: 60 },
    );
    fc.assert(
      fc.property(fc.oneof(mutated(encoded), fc.uint8Array({ maxLength: 40 })), (bytes) => {
        expectSame(desc, bytes);
      }),
      { numRuns: 300 },
    );
  });

  it('reads one message after another as one whole', () => {
    for (const desc of [OrderSchema, ...everyKinds]) {
      const one = anyMessage(desc, desc === OrderSchema ? 2 : 1).map((message) => toBinary(desc, message));
      fc.assert(
        fc.property(one, one, (first, second) => {
          expectSame(desc, Buffer.concat([first, second]));
        }),
        { numRuns: 60 },
      );
    }
  });

  it('keeps what it does not know', () => {
    const message = create(CustomerSchema, { name: 'Ada' });
    message.$unknown = [
      { no: 900, wireType: 0, data: Uint8Array.of(0x85, 0x01) },
      { no: 901, wireType: 2, data: Uint8Array.of(2, 7, 8) },
      { no: 902, wireType: 5, data: Uint8Array.of(1, 2, 3, 4) },
      { no: 903, wireType: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
    ];
    expect(expectSame(CustomerSchema, toBinary(CustomerSchema, message))).toHaveProperty('message.$unknown.length', 4);
  });

  it('reads texts of any length and script', () => {
    for (const text of ['', 'a', 'é', '\ufeffmark', '\ufffd', '漢字', '😀', 'x'.repeat(1_000), 'x'.repeat(1_001), 'ü'.repeat(4_000)]) {
      const bytes = toBinary(CustomerSchema, create(CustomerSchema, { name: text, email: text }));
      expect(decodeMessage(CustomerSchema, bytes)).toMatchObject({ name: text, email: text });
    }
  });

  it.each([
    ['text that is no UTF-8', [0x12, 0x02, 0xc3, 0x28]],
    ['half a surrogate pair', [0x12, 0x03, 0xed, 0xa0, 0x80]],
    ['text that ends too early', [0x12, 0x05, 0x41]],
    ['a length without an end', [0x12, 0xff, 0xff]],
    ['a length of too many bytes', [0x12, ...Array(10).fill(0x80), 0x01]],
    ['a field 0', [0x02, 0x00]],
    ['a tag above 32 bits', [0x92, 0x80, 0x80, 0x80, 0x10, 0x00]],
    ['a wire type that there is not', [0x17]],
    ['the end of no group', [0x14]],
  ])('refuses %s with the error of the library', (_name, bytes) => {
    expect(expectSame(CustomerSchema, Uint8Array.from(bytes))).toHaveProperty('error');
  });

  it('refuses messages that lie too deep in each other', () => {
    const desc = everyKinds[1] as DescMessage;
    const { number } = desc.field['one11'] as { readonly number: number };
    const tag = toBinary(desc, create(desc, { one11: create(desc) } as never)).subarray(0, -1);
    expect(number).toBeGreaterThan(0);
    const nested = (depth: number): Uint8Array => {
      let bytes: Uint8Array = new Uint8Array();
      for (let level = 0; level < depth; level++) {
        const length = bytes.length < 0x80 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
        bytes = Uint8Array.from([...tag, ...length, ...bytes]);
      }
      return bytes;
    };
    expect(expectSame(desc, nested(99))).toHaveProperty('message');
    expect(expectSame(desc, nested(100))).toHaveProperty('error');
  });

  it('leaves wrappers to the library', () => {
    expectSame(StringValueSchema, toBinary(StringValueSchema, create(StringValueSchema, { value: 'x' })));
    expectSame(BoolValueSchema, Uint8Array.of(8, 1));
  });
});
