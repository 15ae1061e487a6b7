import { PulsarError } from '../errors/pulsar-error.ts';

/** The types of Avro that have no parts. */
export type AvroPrimitive = 'null' | 'boolean' | 'int' | 'long' | 'float' | 'double' | 'bytes' | 'string';

/** A field of a record. */
export interface AvroField {
  readonly name: string;
  readonly type: AvroDefinition;
  readonly doc?: string;
  /** Used where the bytes have no such field. Of a union: a value of its first type. */
  readonly default?: unknown;
  readonly aliases?: readonly string[];
}

/** A record: what most messages are. */
export interface AvroRecord {
  readonly type: 'record';
  readonly name: string;
  readonly namespace?: string;
  readonly doc?: string;
  readonly aliases?: readonly string[];
  readonly fields: readonly AvroField[];
}

/** An enumeration of names. */
export interface AvroEnum {
  readonly type: 'enum';
  readonly name: string;
  readonly namespace?: string;
  readonly doc?: string;
  readonly symbols: readonly string[];
  readonly default?: string;
}

/** A list. */
export interface AvroArray {
  readonly type: 'array';
  readonly items: AvroDefinition;
}

/** A map with text as keys. */
export interface AvroMap {
  readonly type: 'map';
  readonly values: AvroDefinition;
}

/** So many bytes. */
export interface AvroFixed {
  readonly type: 'fixed';
  readonly name: string;
  readonly namespace?: string;
  readonly size: number;
}

/** A primitive with annotations: `{ type: 'long', logicalType: 'timestamp-millis' }`. Read and written as what it annotates. */
export interface AvroAnnotated {
  readonly type: AvroPrimitive;
  readonly logicalType?: string;
}

/**
 * A definition of Avro. A plain name other than a primitive's is that of a record, enumeration or fixed type defined before.
 *
 * @see https://avro.apache.org/docs/1.12.0/specification/
 */
export type AvroDefinition =
  | AvroPrimitive
  | AvroRecord
  | AvroEnum
  | AvroArray
  | AvroMap
  | AvroFixed
  | AvroAnnotated
  | readonly AvroDefinition[]
  | (string & {});

/** How types of Avro that JavaScript has several forms for are represented. */
export interface AvroForms {
  readonly bytes: unknown;
  readonly long: unknown;
}

/** In JSON: bytes in base64, as the Java client writes them. */
export interface JsonForms extends AvroForms {
  readonly bytes: string;
  readonly long: number;
}

type PrimitiveValue<P extends AvroPrimitive, Forms extends AvroForms> = {
  readonly null: null;
  readonly boolean: boolean;
  readonly int: number;
  readonly long: Forms['long'];
  readonly float: number;
  readonly double: number;
  readonly bytes: Forms['bytes'];
  readonly string: string;
}[P];

type Flat<T> = { [K in keyof T]: T[K] } & {};
type FieldOf<R extends AvroRecord> = R['fields'][number];
type FieldWithDefault<F extends AvroField> = F extends { readonly default: unknown } ? F : never;

/** The value that a definition describes, as it is read. What a name stands for is `unknown`. */
export type AvroValue<D, Forms extends AvroForms> = [AvroDefinition] extends [D]
  ? unknown
  : D extends AvroPrimitive
    ? PrimitiveValue<D, Forms>
    : D extends readonly (infer Branch)[]
      ? AvroValue<Branch, Forms>
      : D extends AvroRecord
        ? Flat<{ -readonly [F in FieldOf<D> as F['name']]: AvroValue<F['type'], Forms> }>
        : D extends AvroEnum
          ? D['symbols'][number]
          : D extends AvroArray
            ? AvroValue<D['items'], Forms>[]
            : D extends AvroMap
              ? Record<string, AvroValue<D['values'], Forms>>
              : D extends AvroFixed
                ? Forms['bytes']
                : D extends AvroAnnotated
                  ? PrimitiveValue<D['type'], Forms>
                  : unknown;

/** The value that a definition describes, as it is written: fields with a default may be left out. */
export type AvroInput<D, Forms extends AvroForms> = [AvroDefinition] extends [D]
  ? unknown
  : D extends AvroPrimitive
    ? PrimitiveValue<D, Forms>
    : D extends readonly (infer Branch)[]
      ? AvroInput<Branch, Forms>
      : D extends AvroRecord
        ? Flat<
            {
              readonly [F in Exclude<FieldOf<D>, FieldWithDefault<FieldOf<D>>> as F['name']]: AvroInput<F['type'], Forms>;
            } & { readonly [F in FieldWithDefault<FieldOf<D>> as F['name']]?: AvroInput<F['type'], Forms> | undefined }
          >
        : D extends AvroEnum
          ? D['symbols'][number]
          : D extends AvroArray
            ? readonly AvroInput<D['items'], Forms>[]
            : D extends AvroMap
              ? Readonly<Record<string, AvroInput<D['values'], Forms>>>
              : D extends AvroFixed
                ? Forms['bytes']
                : D extends AvroAnnotated
                  ? PrimitiveValue<D['type'], Forms>
                  : unknown;

const primitives: ReadonlySet<string> = new Set<AvroPrimitive>(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string']);

/** Whether a name is that of a primitive type. */
export function isAvroPrimitive(name: unknown): name is AvroPrimitive {
  return typeof name === 'string' && primitives.has(name);
}

const namePattern = /^[A-Za-z_]\w*$/;

/** Whether Avro allows a name for a record, field or symbol. */
export function isAvroName(name: string): boolean {
  return namePattern.test(name);
}

/** The name by which a record, enumeration or fixed type is referred to. */
export function fullName(definition: { readonly name: string; readonly namespace?: string }, namespace: string | undefined): string {
  const own = definition.namespace ?? namespace;
  return definition.name.includes('.') || own === undefined || own === '' ? definition.name : `${own}.${definition.name}`;
}

/** Refuses what is no record: topics of records are what other clients can read. */
export function assertRecord(definition: unknown): asserts definition is AvroRecord {
  const record = definition as Partial<AvroRecord> | null;
  if (typeof record === 'object' && record?.type === 'record' && typeof record.name === 'string' && Array.isArray(record.fields)) return;
  const text = String(JSON.stringify(definition)).slice(0, 200);
  throw new PulsarError('INVALID_ARGUMENT', `a schema is defined by an Avro record { type: 'record', name, fields }, not by ${text}`);
}
