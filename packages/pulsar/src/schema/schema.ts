import { avroSchema } from './avro.ts';
import { jsonSchema } from './json.ts';
import type { Schema as SchemaPort } from './port.ts';
import {
  booleanSchema,
  bytesSchema,
  dateSchema,
  doubleSchema,
  floatSchema,
  type Instant,
  instantSchema,
  int8Schema,
  int16Schema,
  int32Schema,
  int64Schema,
  stringSchema,
  timeSchema,
  timestampSchema,
} from './primitives.ts';
import { protobufNativeSchema } from './protobuf-native.ts';

/**
 * How values become bytes and back. `Out` is what consumers get; `In` is what producers give, the same unless the schema
 * fills in defaults or transforms on reading.
 */
export type Schema<Out, In = Out> = SchemaPort<Out, In>;

/** The schemas that this client knows. */
export interface SchemaFactory {
  /** Bytes as they are. Registers no schema: what a producer and consumer use that name none. Values read share memory with the message. */
  bytes(): Schema<Buffer, Uint8Array>;
  /** Text in UTF-8. */
  string(): Schema<string>;
  /** One byte, 0 or 1. */
  boolean(): Schema<boolean>;
  /** A whole number of 8 bits, signed. */
  int8(): Schema<number>;
  /** A whole number of 16 bits, signed. */
  int16(): Schema<number>;
  /** A whole number of 32 bits, signed. */
  int32(): Schema<number>;
  /** A whole number of 64 bits, signed. Read as a bigint; written from a bigint or a safe integer. */
  int64(): Schema<bigint, bigint | number>;
  /** A number of 32 bits. */
  float(): Schema<number>;
  /** A number of 64 bits. */
  double(): Schema<number>;
  /** A point in time in milliseconds, Java's `java.util.Date`. */
  date(): Schema<Date>;
  /** A point in time in milliseconds, Java's `java.sql.Time`. */
  time(): Schema<Date>;
  /** A point in time in milliseconds, Java's `java.sql.Timestamp`. */
  timestamp(): Schema<Date>;
  /** A point in time in nanoseconds, Java's `java.time.Instant`. */
  instant(): Schema<Instant>;
  /**
   * JSON, described by a Standard Schema (zod from 4.2 on) or by an Avro record. Values are checked when written and when
   * read. With a Standard Schema they are written as they are given, and read as the schema makes them: defaults filled in,
   * transforms applied. What Java leaves out for null, and what Python writes null for, is read as absent or null, whichever
   * the schema takes.
   *
   * The broker compares names too: where a Java class has a schema of the same topic, call records and enumerations as it does,
   * in zod with `.meta({ title: 'State' })`.
   *
   * @example
   * ```ts no-run
   * const Order = z.object({ id: z.string(), total: z.number().int(), note: z.string().optional() });
   * const schema = Schema.json(Order, { name: 'Order' });
   * ```
   */
  readonly json: typeof jsonSchema;
  /**
   * Avro, described by an Avro record. Needs the package `avsc`. Each message is read by the version of the schema that it was
   * written with, into this one. Values of unions of several types that JavaScript does not tell apart are wrapped as
   * `{ 'name.of.Type': value }`.
   *
   * @example
   * ```ts no-run
   * const schema = Schema.avro({ type: 'record', name: 'Order', fields: [{ name: 'id', type: 'string' }] });
   * ```
   */
  readonly avro: typeof avroSchema;
  /**
   * Protobuf messages, described by what protoc-gen-es generates. Values may be given as plain objects.
   *
   * @example
   * ```ts no-run
   * const schema = Schema.protobufNative(OrderSchema);
   * ```
   */
  readonly protobufNative: typeof protobufNativeSchema;
}

/** Makes schemas: `Schema.string()`, `Schema.json(zodSchema)`. */
export const Schema: SchemaFactory = {
  bytes: () => bytesSchema,
  string: () => stringSchema,
  boolean: () => booleanSchema,
  int8: () => int8Schema,
  int16: () => int16Schema,
  int32: () => int32Schema,
  int64: () => int64Schema,
  float: () => floatSchema,
  double: () => doubleSchema,
  date: () => dateSchema,
  time: () => timeSchema,
  timestamp: () => timestampSchema,
  instant: () => instantSchema,
  json: jsonSchema,
  avro: avroSchema,
  protobufNative: protobufNativeSchema,
};
