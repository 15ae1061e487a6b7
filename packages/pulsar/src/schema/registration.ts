import { create } from '@bufbuild/protobuf';
import { KeyValueSchema, SchemaSchema, type Schema as WireSchema, SchemaType as WireType } from '../gen/pulsar/wire_pb.ts';
import type { SchemaInfo, SchemaType } from './port.ts';

const wireTypes = {
  STRING: WireType.STRING,
  JSON: WireType.JSON,
  AVRO: WireType.AVRO,
  BOOLEAN: WireType.BOOL,
  INT8: WireType.INT8,
  INT16: WireType.INT16,
  INT32: WireType.INT32,
  INT64: WireType.INT64,
  FLOAT: WireType.FLOAT,
  DOUBLE: WireType.DOUBLE,
  DATE: WireType.DATE,
  TIME: WireType.TIME,
  TIMESTAMP: WireType.TIMESTAMP,
  INSTANT: WireType.INSTANT,
  PROTOBUF_NATIVE: WireType.PROTOBUF_NATIVE,
} as const satisfies Record<SchemaType, WireType>;

/** The protocol's number of a schema type. */
export function wireTypeOf(type: SchemaType): WireType {
  return wireTypes[type];
}

/** A schema as PRODUCER and SUBSCRIBE carry it. */
export function toWireSchema(info: SchemaInfo): WireSchema {
  return create(SchemaSchema, {
    name: info.name,
    schemaData: info.data,
    type: wireTypes[info.type],
    properties: Object.entries(info.properties).map(([key, value]) => create(KeyValueSchema, { key, value })),
  });
}
