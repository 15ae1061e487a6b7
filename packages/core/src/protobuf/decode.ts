import { type DescField, type DescMessage, fromBinary, type MessageShape, protoInt64, ScalarType } from '@bufbuild/protobuf';
import { isWrapperDesc } from '@bufbuild/protobuf/wkt';
import { ByteReader, notReadable } from './byte-reader.ts';
import { enumType, type FieldPlan, type Fields, type MessagePlan, type PropertyPlan, planMessage, type ValueType } from './decode-plan.ts';

/** As many messages may lie in each other as the library lets. */
const deepest = 100;

function readScalar(reader: ByteReader, type: ValueType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return reader.string();
    case ScalarType.INT64:
      return reader.int64();
    case ScalarType.INT32:
    case enumType:
      return reader.int32();
    case ScalarType.BOOL:
      return reader.bool();
    case ScalarType.BYTES:
      return reader.bytes();
    case ScalarType.UINT32:
      return reader.uint32();
    case ScalarType.UINT64:
      return reader.uint64();
    case ScalarType.DOUBLE:
      return reader.double();
    case ScalarType.FLOAT:
      return reader.float();
    case ScalarType.SINT32:
      return reader.sint32();
    case ScalarType.SINT64:
      return reader.sint64();
    case ScalarType.FIXED32:
      return reader.fixed32();
    case ScalarType.SFIXED32:
      return reader.sfixed32();
    case ScalarType.FIXED64:
      return reader.fixed64();
    case ScalarType.SFIXED64:
      return reader.sfixed64();
    default:
      throw notReadable;
  }
}

function readValue(reader: ByteReader, field: FieldPlan, depth: number): unknown {
  if (field.message !== undefined) return readMessage(reader, field.message, reader.span(), depth + 1);
  const value = readScalar(reader, field.type);
  if (field.longAsString) return String(value);
  if (field.closed !== undefined && !field.closed.has(value as number)) throw notReadable;
  return value;
}

function readPacked(reader: ByteReader, field: FieldPlan, items: unknown[]): unknown[] {
  const end = reader.span();
  while (reader.at < end) items.push(readValue(reader, field, 0));
  if (reader.at !== end) throw notReadable;
  return items;
}

function readEntry(reader: ByteReader, field: FieldPlan, record: Fields, depth: number): Fields {
  const { keyTag, keyType, valueTag } = field.entry as NonNullable<FieldPlan['entry']>;
  const end = reader.span();
  if (reader.tag() !== keyTag) throw notReadable;
  const key = String(readScalar(reader, keyType));
  if (reader.tag() !== valueTag || key === '__proto__') throw notReadable;
  record[key] = readValue(reader, field, depth);
  if (reader.at !== end) throw notReadable;
  return record;
}

/** What a property holds after a field of it was read. */
function readField(reader: ByteReader, field: FieldPlan, before: unknown, depth: number): unknown {
  switch (field.kind) {
    case 'singular':
      // Two of one message are merged.
      if (field.message !== undefined && before !== undefined) throw notReadable;
      return readValue(reader, field, depth);
    case 'oneof':
      if (before !== undefined && (before as Fields)['case'] === field.name) throw notReadable;
      return { case: field.name, value: readValue(reader, field, depth) };
    case 'list': {
      const items = (before ?? []) as unknown[];
      items.push(readValue(reader, field, depth));
      return items;
    }
    case 'packed':
      return readPacked(reader, field, (before ?? []) as unknown[]);
    case 'map':
      return readEntry(reader, field, (before ?? {}) as Fields, depth);
  }
}

function readUnknown(reader: ByteReader, plan: MessagePlan, tag: number): unknown {
  const no = tag >>> 3;
  const wireType = tag & 7;
  // A field that is known comes with the wire type of another.
  if (no === 0 || plan.numbers.has(no)) throw notReadable;
  return { no, wireType, data: reader.skip(wireType) };
}

function readMessage(reader: ByteReader, plan: MessagePlan, end: number, depth: number): Fields {
  if (depth > deepest) throw notReadable;
  // Each property is set once, when all is read: setting them costs more than reading them.
  const values = plan.zeros.slice();
  let unknown: unknown[] | undefined;
  while (reader.at < end) {
    const tag = reader.tag();
    const field = plan.fields.get(tag);
    if (field === undefined) {
      unknown ??= [];
      unknown.push(readUnknown(reader, plan, tag));
    } else values[field.property] = readField(reader, field, values[field.property], depth);
  }
  if (reader.at !== end) throw notReadable;
  const message = plan.blank();
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    const { name, empty } = plan.properties[index] as PropertyPlan;
    if (value !== undefined) message[name] = value;
    else if (empty !== undefined) message[name] = empty();
  }
  if (unknown !== undefined) message['$unknown'] = unknown;
  return message;
}

function isRare(field: DescField): boolean {
  if (field.message === undefined) return false;
  if ('delimitedEncoding' in field && field.delimitedEncoding) return true;
  return isWrapperDesc(field.message) || field.message.typeName === 'google.protobuf.Struct';
}

/** Whether nothing rare is in messages of a type, however deep. */
function isPlain(desc: DescMessage, seen: Set<DescMessage> = new Set()): boolean {
  if (seen.has(desc)) return true;
  seen.add(desc);
  return desc.fields.every((field) => !isRare(field) && (field.message === undefined || isPlain(field.message, seen)));
}

/** `undefined` for types that are left to the library. */
const roots = new WeakMap<DescMessage, MessagePlan | undefined>();

function rootOf(desc: DescMessage): MessagePlan | undefined {
  const root = roots.get(desc);
  if (root !== undefined || roots.has(desc)) return root;
  const made = protoInt64.supported && isPlain(desc) ? planMessage(desc) : undefined;
  roots.set(desc, made);
  return made;
}

/**
 * Decodes a message: what `fromBinary` gives, in half the time. What is rare (groups, wrappers, a message that comes in
 * parts) or wrong is left to `fromBinary` itself, its errors with it. As there, fields of bytes are parts of the input.
 */
export function decodeMessage<S extends DescMessage>(schema: S, bytes: Uint8Array): MessageShape<S> {
  const plan = rootOf(schema);
  if (plan === undefined) return fromBinary(schema, bytes);
  try {
    return readMessage(new ByteReader(bytes), plan, bytes.length, 1) as unknown as MessageShape<S>;
  } catch (error) {
    if (error === notReadable) return fromBinary(schema, bytes);
    throw error;
  }
}
