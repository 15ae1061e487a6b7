import { PulsarError } from '../errors/pulsar-error.ts';
import { type AvroInput, type AvroRecord, type AvroValue, assertRecord, type JsonForms } from './avro-definition.ts';
import { avroOfJsonSchema } from './json-schema-to-avro.ts';
import { compileJsonShape } from './json-shape.ts';
import type { Schema, SchemaInfo } from './port.ts';
import {
  describeIssues,
  isStandardSchema,
  type StandardInput,
  type StandardIssue,
  type StandardOutput,
  type StandardResult,
  type StandardSchema,
} from './standard-schema.ts';

/** Options of `Schema.json`. */
export interface JsonSchemaOptions {
  /**
   * The Avro record that is registered with the topic. Default: derived from the schema's own JSON Schema; needed for
   * schemas that have none, or hold what Avro cannot express.
   */
  readonly definition?: AvroRecord;
  /** Name of the derived record; Java clients compare it with the name of their class. Default: the schema's title, else `Value`. */
  readonly name?: string;
  /** Kept by the broker with the schema. Default: none. */
  readonly properties?: Readonly<Record<string, string>>;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload));
  } catch (cause) {
    throw new PulsarError('CORRUPT', `a payload of ${payload.byteLength} bytes is not JSON: ${String(cause)}`, { cause });
  }
}

function write(value: unknown): Uint8Array {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (cause) {
    throw new PulsarError('INVALID_MESSAGE', `a value cannot be written as JSON: ${String(cause)}`, { cause });
  }
  if (text === undefined) throw new PulsarError('INVALID_MESSAGE', `a value of type ${typeof value} cannot be written as JSON`);
  return encoder.encode(text);
}

function infoOf(definition: AvroRecord, properties: Readonly<Record<string, string>>): SchemaInfo {
  return { type: 'JSON', name: definition.name, data: encoder.encode(JSON.stringify(definition)), properties };
}

function ofDefinition(definition: AvroRecord, options: JsonSchemaOptions): Schema<unknown> {
  const shape = compileJsonShape(definition);
  return {
    info: infoOf(definition, options.properties ?? {}),
    encode(value) {
      const problem = shape.check(value);
      if (problem !== undefined) throw new PulsarError('INVALID_MESSAGE', problem);
      return write(value);
    },
    decode(payload) {
      const value = parse(payload);
      const problem = shape.complete(value);
      if (problem !== undefined) throw new PulsarError('CORRUPT', problem);
      return value;
    },
  };
}

function deriveDefinition(schema: StandardSchema, name: string | undefined): AvroRecord {
  const { jsonSchema, vendor } = schema['~standard'];
  if (jsonSchema === undefined) {
    const help = `give Schema.json the Avro definition: { definition: { type: 'record', … } }`;
    throw new PulsarError(
      'INVALID_ARGUMENT',
      `this schema of ${vendor} does not describe itself as JSON Schema (zod does from 4.2 on); ${help}`,
    );
  }
  let described: Record<string, unknown>;
  try {
    described = jsonSchema.input({ target: 'draft-2020-12' });
  } catch (cause) {
    const help = `give Schema.json the Avro definition: { definition: { type: 'record', … } }`;
    throw new PulsarError('INVALID_ARGUMENT', `no Avro definition can be derived (${String(cause)}); ${help}`, { cause });
  }
  return avroOfJsonSchema(described, name);
}

function validated(schema: StandardSchema, value: unknown): StandardResult<unknown> {
  const result = schema['~standard'].validate(value);
  if (!(result instanceof Promise)) return result;
  result.catch(() => undefined);
  throw new PulsarError('INVALID_ARGUMENT', 'the schema validates asynchronously; messages need one that does not');
}

/** Takes out nulls, and puts nulls where nothing is, at the places that a schema complains of. Returns whether it changed anything. */
function swapNullAndMissing(value: unknown, issues: readonly StandardIssue[]): boolean {
  let changed = false;
  for (const { path = [] } of issues) {
    const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
    const last = keys.pop();
    let parent = value as Record<PropertyKey, unknown> | null | undefined;
    for (const key of keys) parent = typeof parent === 'object' ? (parent?.[key] as typeof parent) : undefined;
    if (last === undefined || typeof parent !== 'object' || parent === null || Array.isArray(parent)) continue;
    if (parent[last] === null) delete parent[last];
    else if (parent[last] === undefined) parent[last] = null;
    else continue;
    changed = true;
  }
  return changed;
}

/** Other clients write null for what is absent (Python), or leave out what is null (Java): neither is held against a value. */
function readTolerantly(schema: StandardSchema, value: unknown): StandardResult<unknown> {
  const first = validated(schema, value);
  if (first.issues === undefined || !swapNullAndMissing(value, first.issues)) return first;
  const second = validated(schema, value);
  return second.issues === undefined ? second : first;
}

function ofStandard(schema: StandardSchema, options: JsonSchemaOptions): Schema<unknown> {
  const definition = options.definition ?? deriveDefinition(schema, options.name);
  return {
    info: infoOf(definition, options.properties ?? {}),
    encode(value) {
      const result = validated(schema, value);
      if (result.issues !== undefined) throw new PulsarError('INVALID_MESSAGE', describeIssues(result.issues));
      return write(value);
    },
    decode(payload) {
      const result = readTolerantly(schema, parse(payload));
      if (result.issues !== undefined) throw new PulsarError('CORRUPT', describeIssues(result.issues));
      return result.value;
    },
  };
}

/** A schema of JSON, described by a Standard Schema. */
export function jsonSchema<S extends StandardSchema>(schema: S, options?: JsonSchemaOptions): Schema<StandardOutput<S>, StandardInput<S>>;
/** A schema of JSON, described by an Avro record. */
export function jsonSchema<const D extends AvroRecord>(
  definition: D,
  options?: Pick<JsonSchemaOptions, 'properties'>,
): Schema<AvroValue<D, JsonForms>, AvroInput<D, JsonForms>>;
/** A schema of JSON, described by an Avro record, whose values have a type of your own. */
export function jsonSchema<T>(definition: AvroRecord, options?: Pick<JsonSchemaOptions, 'properties'>): Schema<T>;
export function jsonSchema(described: unknown, options: JsonSchemaOptions = {}): Schema<unknown> {
  if (isStandardSchema(described)) return ofStandard(described, options);
  assertRecord(described);
  return ofDefinition(described, options);
}
