import { PulsarError } from '../errors/pulsar-error.ts';
import { CompressionType } from '../gen/pulsar/wire_pb.ts';
import type { Codec } from './codec.ts';
import { lz4 } from './lz4.ts';
import { snappy } from './snappy.ts';
import { zlib, zstd } from './zlib.ts';

/** How payloads are compressed. */
export type CompressionName = 'none' | 'lz4' | 'zlib' | 'zstd' | 'snappy';

const byName: Readonly<Record<CompressionName, Codec | undefined>> = { none: undefined, lz4, zlib, zstd, snappy };
const byType: ReadonlyMap<number, Codec> = new Map([lz4, zlib, zstd, snappy].map((codec) => [codec.type, codec]));

/** The codec of a name; `undefined` for `none`. Throws `INVALID_ARGUMENT` for any other. */
export function codecOf(name: CompressionName): Codec | undefined {
  if (!Object.hasOwn(byName, name)) {
    throw new PulsarError('INVALID_ARGUMENT', `no compression "${name}": there are ${Object.keys(byName).join(', ')}`);
  }
  return byName[name];
}

/**
 * The payload of an entry as it was before compression, by what its metadata says. Without compression it is returned as it
 * came. Throws `CORRUPT` if it is not what it should be, is larger than `maxBytes`, or is of a codec that nobody knows.
 */
export function decompress(type: CompressionType | undefined, payload: Buffer, uncompressedSize: number, maxBytes: number): Buffer {
  if (type === undefined || type === CompressionType.NONE) return payload;
  const codec = byType.get(type);
  if (codec === undefined) throw new PulsarError('CORRUPT', `compression ${type} is not known`);
  if (uncompressedSize > maxBytes) {
    throw new PulsarError('CORRUPT', `a payload of ${uncompressedSize} bytes when decompressed; ${maxBytes} are allowed`);
  }
  // Java writes nothing at all for an empty payload.
  if (uncompressedSize === 0 && payload.length === 0) return payload;
  return codec.decompress(payload, uncompressedSize);
}
