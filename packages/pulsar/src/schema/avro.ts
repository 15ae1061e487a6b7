import { createRequire } from 'node:module';
import { PulsarError } from '../errors/pulsar-error.ts';
import { type AvroInput, type AvroRecord, type AvroValue, assertRecord } from './avro-definition.ts';
import type { Schema } from './port.ts';

/** A type that `avsc` has compiled: the part of it that is used here. */
interface CompiledType {
  toBuffer(value: unknown): Buffer;
  fromBuffer(buffer: Buffer, resolver?: unknown): unknown;
  isValid(value: unknown, options: { errorHook: (path: string[], value: unknown, type: unknown) => void }): boolean;
  createResolver(writer: CompiledType, options: { ignoreNamespaces: boolean }): unknown;
}

/** The part of the package `avsc` that is used: give it where the package cannot be found by its name, as in a bundle. */
export interface AvroLibrary {
  /** Compiles definitions. */
  readonly Type: {
    /** Compiles a definition. */
    forSchema(schema: never, options?: object): object;
  };
  /** Lets `long` be read as something else. */
  readonly types: {
    readonly LongType: {
      /** Makes a `long` of other methods. */
      __with(methods: object): object;
    };
  };
}

/** Bytes as buffers, `long` as a number. */
export interface AvroNumberForms {
  /** What `bytes` and `fixed` are. */
  readonly bytes: Buffer;
  /** What a `long` is. */
  readonly long: number;
}

/** Bytes as buffers, `long` as a bigint. */
export interface AvroBigintForms {
  /** What `bytes` and `fixed` are. */
  readonly bytes: Buffer;
  /** What a `long` is. */
  readonly long: bigint;
}

/** Options of `Schema.avro`. */
export interface AvroSchemaOptions {
  /**
   * What a `long` is in JavaScript. With `number`, values beyond 2^53 are refused when written and `CORRUPT` when read.
   * Default: `number`.
   */
  readonly long?: 'number' | 'bigint';
  /** Kept by the broker with the schema. Default: none. */
  readonly properties?: Readonly<Record<string, string>>;
  /** The package `avsc`, if it is not to be loaded by its name. */
  readonly avsc?: AvroLibrary;
}

let loaded: AvroLibrary | undefined;

function load(): AvroLibrary {
  try {
    loaded ??= createRequire(import.meta.url)('avsc') as AvroLibrary;
    return loaded;
  } catch (cause) {
    throw new PulsarError('UNSUPPORTED', 'Schema.avro needs the package avsc: npm install avsc', { cause });
  }
}

const bigintLong = {
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer(value: bigint) {
    const buffer = Buffer.allocUnsafe(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
  compare: (left: bigint, right: bigint) => (left < right ? -1 : left > right ? 1 : 0),
};

function asBuffer(payload: Uint8Array): Buffer {
  return Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

function misfit(type: CompiledType, name: string, value: unknown, cause: unknown): PulsarError {
  let where: string | undefined;
  type.isValid(value, {
    errorHook(path, part, expected) {
      where ??= `${path.length === 0 ? 'the value' : path.join('.')}: expected ${String(expected)}, not ${String(part)}`;
    },
  });
  return new PulsarError('INVALID_MESSAGE', `a value is no ${name}: ${where ?? String(cause)}`, { cause });
}

/** A schema of Avro, described by an Avro record. */
export function avroSchema<const D extends AvroRecord>(
  definition: D,
  options: AvroSchemaOptions & { readonly long: 'bigint' },
): Schema<AvroValue<D, AvroBigintForms>, AvroInput<D, AvroBigintForms>>;
export function avroSchema<const D extends AvroRecord>(
  definition: D,
  options?: AvroSchemaOptions,
): Schema<AvroValue<D, AvroNumberForms>, AvroInput<D, AvroNumberForms>>;
/** The same with a type of your own for the values. */
export function avroSchema<T>(definition: AvroRecord, options?: AvroSchemaOptions): Schema<T>;
export function avroSchema(definition: AvroRecord, options: AvroSchemaOptions = {}): Schema<unknown> {
  assertRecord(definition);
  const avsc = options.avsc ?? load();

  function compile(text: string): CompiledType {
    const long = options.long === 'bigint' ? { registry: { long: avsc.types.LongType.__with(bigintLong) } } : {};
    return avsc.Type.forSchema(JSON.parse(text) as never, { omitRecordMethods: true, ...long }) as CompiledType;
  }

  function compileOwn(text: string): CompiledType {
    try {
      return compile(text);
    } catch (cause) {
      throw new PulsarError('INVALID_ARGUMENT', `the Avro definition ${definition.name} is wrong: ${String(cause)}`, { cause });
    }
  }

  const text = JSON.stringify(definition);
  const type = compileOwn(text);

  function read(payload: Uint8Array, resolver?: unknown): unknown {
    try {
      return type.fromBuffer(asBuffer(payload), resolver);
    } catch (cause) {
      const what = `a payload of ${payload.byteLength} bytes is no Avro ${definition.name}`;
      throw new PulsarError('CORRUPT', `${what}: ${String(cause)}`, { cause });
    }
  }

  return {
    info: { type: 'AVRO', name: definition.name, data: new TextEncoder().encode(text), properties: options.properties ?? {} },
    encode(value) {
      try {
        return type.toBuffer(value);
      } catch (cause) {
        throw misfit(type, definition.name, value, cause);
      }
    },
    decode: (payload) => read(payload),
    writtenWith(writer) {
      const writerText = Buffer.from(writer).toString('utf8');
      if (writerText === text) return (payload) => read(payload);
      try {
        const resolver = type.createResolver(compile(writerText), { ignoreNamespaces: true });
        return (payload) => read(payload, resolver);
      } catch (cause) {
        const what = `messages written as ${writerText.slice(0, 200)} cannot be read as ${definition.name}`;
        throw new PulsarError('INCOMPATIBLE_SCHEMA', `${what}: ${String(cause)}`, { cause });
      }
    },
  };
}
