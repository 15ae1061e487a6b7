import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { type FieldMask, FieldMaskSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { BaseCommandSchema, MessageIdDataSchema } from '../gen/pulsar/wire_pb.ts';
import { Schema } from './schema.ts';

describe('a Protobuf schema', () => {
  const schema = Schema.protobufNative(FieldMaskSchema);

  it('registers the file of the message in the form of the Java client', () => {
    const data = JSON.parse(Buffer.from(schema.info?.data ?? []).toString());
    expect(Object.keys(data)).toEqual(['fileDescriptorSet', 'rootMessageTypeName', 'rootFileDescriptorName']);
    expect(data).toMatchObject({
      rootMessageTypeName: 'google.protobuf.FieldMask',
      rootFileDescriptorName: 'google/protobuf/field_mask.proto',
    });
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, Buffer.from(data.fileDescriptorSet, 'base64')));
    expect(registry.getMessage('google.protobuf.FieldMask')?.fields.map((field) => field.name)).toEqual(['paths']);
  });

  it('takes messages and plain objects, and gives messages', () => {
    expectTypeOf<ReturnType<typeof schema.decode>>().toEqualTypeOf<FieldMask>();
    const bytes = schema.encode({ paths: ['a.b'] });
    expect(schema.decode(bytes)).toEqual(create(FieldMaskSchema, { paths: ['a.b'] }));
    expect(schema.encode(create(FieldMaskSchema, { paths: ['a.b'] }))).toEqual(bytes);
  });

  it('refuses a message without a required field, and bytes that are none', () => {
    const ids = Schema.protobufNative(MessageIdDataSchema);
    expect(() => ids.encode({ ledgerId: 'x' as never, entryId: 1n })).toThrow(expect.objectContaining({ code: 'INVALID_MESSAGE' }));
    expect(() => Schema.protobufNative(BaseCommandSchema).decode(Uint8Array.of(0xff))).toThrow(
      expect.objectContaining({ code: 'CORRUPT' }),
    );
  });
});
