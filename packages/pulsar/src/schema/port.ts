/** The kinds of schema that this client writes and reads, by the names of the broker's admin API. */
export type SchemaType =
  | 'STRING'
  | 'JSON'
  | 'AVRO'
  | 'BOOLEAN'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FLOAT'
  | 'DOUBLE'
  | 'DATE'
  | 'TIME'
  | 'TIMESTAMP'
  | 'INSTANT'
  | 'PROTOBUF_NATIVE';

/** What the broker is told of a schema when a producer or consumer starts, and compares with what the topic has. */
export interface SchemaInfo {
  readonly type: SchemaType;
  /** For people; the broker does not use it. */
  readonly name: string;
  /** The definition: Avro as JSON for `JSON` and `AVRO`; empty for primitives. */
  readonly data: Uint8Array;
  readonly properties: Readonly<Record<string, string>>;
}

/** Makes bytes of values: what a producer needs of a schema. */
export interface ValueEncoder<T> {
  /** Registered with the topic; `undefined` for bytes, which register nothing. */
  readonly info: SchemaInfo | undefined;
  /** Encodes a value. Throws a `PulsarError` with `INVALID_MESSAGE` if it does not fit. The bytes are not copied: do not change them before the message is sent. */
  encode(value: T): Uint8Array;
}

/** Makes values of bytes: what a consumer needs of a schema. */
export interface ValueDecoder<T> {
  /** Registered with the topic; `undefined` for bytes, which register nothing. */
  readonly info: SchemaInfo | undefined;
  /**
   * Decodes a payload. Throws a `PulsarError` with `CORRUPT` if the bytes are not what the schema says. The value may share
   * memory with the payload.
   */
  decode(payload: Uint8Array): T;
  /**
   * The decoder for messages that were written with another version of the schema; there only where bytes cannot be read
   * without the definition that wrote them (Avro). Throws `INCOMPATIBLE_SCHEMA` if the one cannot be read as the other.
   */
  readonly writtenWith?: (writer: Uint8Array) => (payload: Uint8Array) => T;
}

/**
 * How values become bytes and back. `Out` is what consumers get; `In` is what producers give, the same unless the schema
 * fills in defaults or transforms on reading.
 */
export interface Schema<Out, In = Out> extends ValueEncoder<In>, ValueDecoder<Out> {}
