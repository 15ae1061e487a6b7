import { create, createFileRegistry, type DescField, type DescMessage, type Message, ScalarType } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldOptions_JSType,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { file_paystream_log_v1_log } from '../gen/paystream/log/v1/log_pb.ts';
import { file_paystream_notify_v1_notify } from '../gen/paystream/notify/v1/notify_pb.ts';
import { file_paystream_order_v1_order_events } from '../gen/paystream/order/v1/order_events_pb.ts';
import { file_paystream_order_v1_order } from '../gen/paystream/order/v1/order_pb.ts';
import { file_paystream_order_v1_order_service } from '../gen/paystream/order/v1/order_service_pb.ts';
import { file_paystream_payment_v1_payment_events } from '../gen/paystream/payment/v1/payment_events_pb.ts';
import { file_paystream_wallet_v1_wallet } from '../gen/paystream/wallet/v1/wallet_pb.ts';

const files = [
  file_paystream_log_v1_log,
  file_paystream_notify_v1_notify,
  file_paystream_order_v1_order,
  file_paystream_order_v1_order_events,
  file_paystream_order_v1_order_service,
  file_paystream_payment_v1_payment_events,
  file_paystream_wallet_v1_wallet,
];

/** The messages of the contracts. */
export const contracts: readonly DescMessage[] = files.flatMap((file) => file.messages);

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 200 }), fc.constant('x'.repeat(300)), fc.constant('\ud800'));
const scalars: { readonly [type in ScalarType]?: fc.Arbitrary<unknown> } = {
  [ScalarType.STRING]: text,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.BYTES]: fc.uint8Array({ maxLength: 300 }),
  [ScalarType.INT32]: fc.integer(),
  [ScalarType.UINT32]: fc.nat(),
  [ScalarType.INT64]: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.constant(0n)),
  [ScalarType.UINT64]: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  [ScalarType.SINT32]: fc.integer(),
  [ScalarType.SFIXED32]: fc.integer(),
  [ScalarType.FIXED32]: fc.nat(),
  [ScalarType.SINT64]: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  [ScalarType.SFIXED64]: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  [ScalarType.FIXED64]: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  [ScalarType.DOUBLE]: fc.double(),
  [ScalarType.FLOAT]: fc.float(),
};

function anyValue(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return anyMessage(field.message, depth - 1);
  if (field.enum !== undefined) return fc.constantFrom(...field.enum.values.map(({ number }) => number));
  const value = scalars[field.scalar ?? ScalarType.STRING] ?? fc.constant(undefined);
  return 'longAsString' in field && field.longAsString ? value.map(String) : value;
}

function anyField(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.fieldKind === 'list') return fc.array(anyValue(field, depth), { maxLength: 4 });
  if (field.fieldKind === 'map') {
    const keys = field.mapKey === ScalarType.BOOL ? fc.constantFrom('true', 'false') : (scalars[field.mapKey] ?? fc.string()).map(String);
    return fc.dictionary(field.mapKey === ScalarType.STRING ? fc.string() : keys, anyValue(field, depth), { maxKeys: 4 });
  }
  return anyValue(field, depth);
}

/** Messages of a type with any of their fields set to anything. */
export function anyMessage(desc: DescMessage, depth = 3): fc.Arbitrary<Message> {
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const member of desc.members) {
    if (member.kind === 'oneof') {
      const fields = member.fields.filter((field) => depth > 0 || field.message === undefined);
      const cases = fields.map((field) => anyValue(field, depth).map((value) => ({ case: field.localName, value })));
      members[member.localName] = fc.oneof(fc.constant({ case: undefined }), ...cases);
    } else if (member.message === undefined || depth > 0) members[member.localName] = anyField(member, depth);
  }
  return fc.record(members, { requiredKeys: [] }).map((init) => create(desc, init));
}

const scalarTypes = Object.values(ScalarType).filter((type): type is ScalarType => typeof type === 'number');
const longTypes = new Set([ScalarType.INT64, ScalarType.UINT64, ScalarType.FIXED64, ScalarType.SFIXED64, ScalarType.SINT64]);
const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;
const { ENUM, GROUP, INT32, MESSAGE } = FieldDescriptorProto_Type;

/** A message type with fields of every type: alone, in a list packed and not, optional, in a oneof, in a map. */
function everyKind(syntax: 'proto2' | 'proto3'): DescMessage {
  const pkg = `every.${syntax}`;
  const types: readonly { type: number; typeName: string }[] = [
    ...scalarTypes.map((type) => ({ type, typeName: '' })),
    { type: ENUM, typeName: `.${pkg}.Color` },
    { type: MESSAGE, typeName: `.${pkg}.Every` },
  ];
  let number = 0;
  const next = (): number => {
    number += number === 15 ? 5_000 : 1;
    return number;
  };
  const packable = (type: number): boolean => type !== ScalarType.STRING && type !== ScalarType.BYTES && type !== MESSAGE;
  const fields = types.flatMap(({ type, typeName }) => [
    { name: `one_${type}`, number: next(), label: OPTIONAL, type, typeName },
    { name: `list_${type}`, number: next(), label: REPEATED, type, typeName, ...(packable(type) && { options: { packed: false } }) },
    ...(packable(type) ? [{ name: `packed_${type}`, number: next(), label: REPEATED, type, typeName, options: { packed: true } }] : []),
    { name: `choice_${type}`, number: next(), label: OPTIONAL, type, typeName, oneofIndex: 0 },
    { name: `map_${type}`, number: next(), label: REPEATED, type: MESSAGE, typeName: `.${pkg}.Every.Map${type}Entry` },
    ...(longTypes.has(type)
      ? [OPTIONAL, REPEATED].map((label) => ({
          name: `text_${label}_${type}`,
          number: next(),
          label,
          type,
          typeName,
          options: { jstype: FieldOptions_JSType.JS_STRING },
        }))
      : []),
  ]);
  const optional = types.slice(0, -1).map(({ type, typeName }, index) => ({
    name: `optional_${type}`,
    number: next(),
    label: OPTIONAL,
    type,
    typeName,
    ...(syntax === 'proto3' && { proto3Optional: true, oneofIndex: index + 1 }),
  }));
  const keyOf = (type: number): ScalarType => {
    const noKey = type === ENUM || type === MESSAGE || type === ScalarType.BYTES || type === ScalarType.DOUBLE || type === ScalarType.FLOAT;
    return noKey ? ScalarType.STRING : (type as ScalarType);
  };
  const entries = types.map(({ type, typeName }) => ({
    name: `Map${type}Entry`,
    options: { mapEntry: true },
    field: [
      { name: 'key', number: 1, label: OPTIONAL, type: keyOf(type) as number },
      { name: 'value', number: 2, label: OPTIONAL, type, typeName },
    ],
  }));
  const file = create(FileDescriptorProtoSchema, {
    name: `${pkg}.proto`,
    package: pkg,
    syntax,
    enumType: [{ name: 'Color', value: ['NONE', 'RED', 'BLUE'].map((name, index) => ({ name, number: index * 3 })) }],
    messageType: [
      {
        name: 'Every',
        field: [...fields, ...optional],
        nestedType: entries,
        oneofDecl: [{ name: 'choice' }, ...(syntax === 'proto3' ? optional.map(({ name }) => ({ name: `_${name}` })) : [])],
      },
      {
        name: 'Grouped',
        field: syntax === 'proto2' ? [{ name: 'part', number: 1, label: OPTIONAL, type: GROUP, typeName: `.${pkg}.Grouped.Part` }] : [],
        nestedType: [{ name: 'Part', field: [{ name: 'id', number: 1, label: OPTIONAL, type: INT32 }] }],
      },
    ],
  });
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: [file] }));
  return registry.getMessage(`${pkg}.Every`) as DescMessage;
}

/** Two message types with fields of every kind, one of proto2 and one of proto3. */
export const everyKinds: readonly DescMessage[] = [everyKind('proto2'), everyKind('proto3')];

/** The type with a group that stands beside the one of proto2. */
export const grouped: DescMessage = everyKinds[0]?.file.messages[1] as DescMessage;
