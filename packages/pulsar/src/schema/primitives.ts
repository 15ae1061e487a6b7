import { PulsarError } from '../errors/pulsar-error.ts';
import type { Schema, SchemaType } from './port.ts';

const none: Uint8Array = new Uint8Array();

function misfit(type: string, what: string, value: unknown): PulsarError {
  const shown = typeof value === 'bigint' ? `${value}n` : typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
  return new PulsarError('INVALID_MESSAGE', `a schema ${type} takes ${what}, not ${shown}`);
}

function asBuffer(payload: Uint8Array): Buffer {
  return Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** A type whose values all take the same number of bytes. */
interface FixedType<Out, In> {
  readonly type: SchemaType;
  readonly bytes: number;
  readonly takes: string;
  readonly accepts: (value: In) => boolean;
  readonly write: (buffer: Buffer, value: In) => void;
  readonly read: (buffer: Buffer) => Out;
}

function fixed<Out, In = Out>({ type, bytes, takes, accepts, write, read }: FixedType<Out, In>): Schema<Out, In> {
  return {
    info: { type, name: type, data: none, properties: {} },
    encode(value) {
      if (!accepts(value)) throw misfit(type, takes, value);
      const buffer = Buffer.allocUnsafe(bytes);
      write(buffer, value);
      return buffer;
    },
    decode(payload) {
      if (payload.byteLength === bytes) return read(asBuffer(payload));
      throw new PulsarError('CORRUPT', `a payload of ${payload.byteLength} bytes is no ${type}, which has ${bytes}`);
    },
  };
}

function integer(type: 'INT8' | 'INT16' | 'INT32', bytes: number): Schema<number> {
  const most = 2 ** (bytes * 8 - 1) - 1;
  return fixed({
    type,
    bytes,
    takes: `an integer from ${-most - 1} to ${most}`,
    accepts: (value) => Number.isInteger(value) && value >= -most - 1 && value <= most,
    write: (buffer, value) => buffer.writeIntBE(value, 0, bytes),
    read: (buffer) => buffer.readIntBE(0, bytes),
  });
}

function isInt64(value: unknown): value is number | bigint {
  return typeof value === 'bigint' ? BigInt.asIntN(64, value) === value : Number.isSafeInteger(value);
}

function date(type: 'DATE' | 'TIME' | 'TIMESTAMP'): Schema<Date> {
  return fixed({
    type,
    bytes: 8,
    takes: 'a valid Date',
    accepts: (value) => value instanceof Date && !Number.isNaN(value.getTime()),
    write: (buffer, value) => buffer.writeBigInt64BE(BigInt(value.getTime())),
    read: (buffer) => new Date(Number(buffer.readBigInt64BE())),
  });
}

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes as they are; registers no schema with the topic. */
export const bytesSchema: Schema<Buffer, Uint8Array> = {
  info: undefined,
  encode(value) {
    if (value instanceof Uint8Array) return value;
    throw misfit('of bytes', 'a Uint8Array', value);
  },
  decode: asBuffer,
};

/** Text in UTF-8. */
export const stringSchema: Schema<string> = {
  info: { type: 'STRING', name: 'String', data: none, properties: {} },
  encode(value) {
    if (typeof value !== 'string') throw misfit('STRING', 'a string', value);
    return Buffer.from(value, 'utf8');
  },
  decode(payload) {
    try {
      return strictText.decode(payload);
    } catch (cause) {
      throw new PulsarError('CORRUPT', `a payload of ${payload.byteLength} bytes is not UTF-8`, { cause });
    }
  },
};

export const booleanSchema: Schema<boolean> = fixed({
  type: 'BOOLEAN',
  bytes: 1,
  takes: 'a boolean',
  accepts: (value) => typeof value === 'boolean',
  write: (buffer, value) => buffer.writeUInt8(value ? 1 : 0),
  read: (buffer) => buffer.readUInt8() !== 0,
});

export const int8Schema: Schema<number> = integer('INT8', 1);
export const int16Schema: Schema<number> = integer('INT16', 2);
export const int32Schema: Schema<number> = integer('INT32', 4);

export const int64Schema: Schema<bigint, bigint | number> = fixed<bigint, bigint | number>({
  type: 'INT64',
  bytes: 8,
  takes: 'a bigint of 64 bits or a safe integer',
  accepts: isInt64,
  write: (buffer, value) => buffer.writeBigInt64BE(BigInt(value)),
  read: (buffer) => buffer.readBigInt64BE(),
});

export const floatSchema: Schema<number> = fixed({
  type: 'FLOAT',
  bytes: 4,
  takes: 'a number',
  accepts: (value) => typeof value === 'number',
  write: (buffer, value) => buffer.writeFloatBE(value),
  read: (buffer) => buffer.readFloatBE(),
});

export const doubleSchema: Schema<number> = fixed({
  type: 'DOUBLE',
  bytes: 8,
  takes: 'a number',
  accepts: (value) => typeof value === 'number',
  write: (buffer, value) => buffer.writeDoubleBE(value),
  read: (buffer) => buffer.readDoubleBE(),
});

export const dateSchema: Schema<Date> = date('DATE');
export const timeSchema: Schema<Date> = date('TIME');
export const timestampSchema: Schema<Date> = date('TIMESTAMP');

/** A point in time to the nanosecond. */
export interface Instant {
  /** Seconds since 1970-01-01T00:00:00Z. */
  readonly epochSeconds: bigint;
  /** Nanoseconds within the second, 0 to 999,999,999. */
  readonly nanos: number;
}

export const instantSchema: Schema<Instant> = fixed<Instant>({
  type: 'INSTANT',
  bytes: 12,
  takes: '{ epochSeconds: bigint, nanos: 0 to 999999999 }',
  accepts: (value) => isInt64(value.epochSeconds) && Number.isInteger(value.nanos) && value.nanos >= 0 && value.nanos < 1_000_000_000,
  write(buffer, value) {
    buffer.writeBigInt64BE(BigInt(value.epochSeconds), 0);
    buffer.writeInt32BE(value.nanos, 8);
  },
  read: (buffer) => ({ epochSeconds: buffer.readBigInt64BE(0), nanos: buffer.readInt32BE(8) }),
});
