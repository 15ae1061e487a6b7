import { create, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';

/** What the properties of a message are kept in while it is read. */
export type Fields = Record<string, unknown>;

/** The type of a value: a scalar's, or one of those that are none. */
export type ValueType = ScalarType | typeof enumType | typeof messageType;

/** As in `FieldDescriptorProto.Type`, whose other numbers are those of `ScalarType`. */
export const messageType = 11;
/** As {@link messageType}. */
export const enumType = 14;

const lengthDelimited = 2;

/** How one field is read when it comes with one wire type. */
export interface FieldPlan {
  readonly name: string;
  readonly kind: 'singular' | 'oneof' | 'list' | 'packed' | 'map';
  /** Which of the message's properties it sets. */
  readonly property: number;
  readonly type: ValueType;
  readonly longAsString: boolean;
  readonly message: MessagePlan | undefined;
  /** All values of an enum that takes no others. */
  readonly closed: ReadonlySet<number> | undefined;
  /** What an entry of a map is made of. */
  readonly entry: { readonly keyTag: number; readonly keyType: ScalarType; readonly valueTag: number } | undefined;
}

/** A property of a message. */
export interface PropertyPlan {
  readonly name: string;
  /** Makes what it holds if nothing was read; `undefined` for one that is missing then, or that has a constant. */
  readonly empty: (() => unknown) | undefined;
}

/** How messages of a type are read. */
export interface MessagePlan {
  /** Makes a message without properties. */
  readonly blank: () => Fields;
  readonly properties: readonly PropertyPlan[];
  /** What each property holds until something was read. */
  readonly zeros: readonly unknown[];
  readonly numbers: ReadonlySet<number>;
  /** By tag: the field's number and wire type. */
  readonly fields: Map<number, FieldPlan>;
}

const plans = new WeakMap<DescMessage, MessagePlan>();

function wireTypeOf(type: ValueType): number {
  switch (type) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 1;
    case ScalarType.STRING:
    case ScalarType.BYTES:
    case messageType:
      return lengthDelimited;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 5;
    default:
      return 0;
  }
}

function typeOf(field: DescField): ValueType {
  if (field.message !== undefined) return messageType;
  return field.enum === undefined ? (field.scalar as ScalarType) : enumType;
}

function blankOf(desc: DescMessage, zero: object): () => Fields {
  const { typeName } = desc;
  const prototype: object = Object.getPrototypeOf(zero);
  if (prototype === Object.prototype) {
    // What a literal gives, but with room for properties that are set later, and never moved to memory that is rarely collected.
    function Blank(this: Fields): void {
      this['$typeName'] = typeName;
    }
    Blank.prototype = prototype;
    const Plain = Blank as unknown as new () => Fields;
    return () => new Plain();
  }
  // It holds what fields of proto2 are while they are not set.
  return () => Object.assign(Object.create(prototype), { $typeName: typeName });
}

function emptyOf(member: DescMessage['members'][number]): (() => unknown) | undefined {
  if (member.kind === 'oneof') return () => ({ case: undefined });
  if (member.fieldKind === 'list') return () => [];
  return member.fieldKind === 'map' ? () => ({}) : undefined;
}

function planField(plan: MessagePlan, field: DescField): void {
  const type = typeOf(field);
  const wireType = wireTypeOf(type);
  const add = (wire: number, rest: Pick<FieldPlan, 'kind'> & Partial<FieldPlan>): void => {
    plan.fields.set(((field.number << 3) | wire) >>> 0, {
      name: field.localName,
      property: plan.properties.findIndex(({ name }) => name === (field.oneof ?? field).localName),
      type,
      longAsString: 'longAsString' in field && field.longAsString,
      message: field.message === undefined ? undefined : planMessage(field.message),
      closed: undefined,
      entry: undefined,
      ...rest,
    });
  };
  if (field.fieldKind === 'map') {
    const keyTag = (1 << 3) | wireTypeOf(field.mapKey);
    add(lengthDelimited, { kind: 'map', entry: { keyTag, keyType: field.mapKey, valueTag: (2 << 3) | wireType }, longAsString: false });
  } else if (field.fieldKind === 'list') {
    // Whichever way the schema says, both are read.
    add(wireType, { kind: 'list' });
    if (wireType !== lengthDelimited) add(lengthDelimited, { kind: 'packed' });
  } else {
    const closed = field.enum === undefined || field.enum.open ? undefined : new Set(field.enum.values.map(({ number }) => number));
    add(wireType, { kind: field.oneof === undefined ? 'singular' : 'oneof', closed });
  }
}

/** The plan of a message type, made once. */
export function planMessage(desc: DescMessage): MessagePlan {
  const known = plans.get(desc);
  if (known !== undefined) return known;
  const zero = create(desc) as unknown as Fields;
  const isThere = (member: { readonly localName: string }): boolean => Object.hasOwn(zero, member.localName);
  // In the order in which the library sets them.
  const members = [...desc.members.filter(isThere), ...desc.members.filter((member) => !isThere(member))];
  const properties = members.map((member) => ({ name: member.localName, empty: emptyOf(member) }));
  const plan: MessagePlan = {
    blank: blankOf(desc, zero),
    properties,
    zeros: properties.map(({ name, empty }) => (empty === undefined && Object.hasOwn(zero, name) ? zero[name] : undefined)),
    numbers: new Set(desc.fields.map(({ number }) => number)),
    fields: new Map(),
  };
  // Known before its fields are, for messages that hold some of their own kind.
  plans.set(desc, plan);
  for (const field of desc.fields) planField(plan, field);
  return plan;
}
