import { constants, deflateSync, inflateSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { PulsarError } from '../errors/pulsar-error.ts';
import { CompressionType } from '../gen/pulsar/wire_pb.ts';
import type { Codec } from './codec.ts';

/** ZLIB. What it reads may lack its end, as what the Java client writes does. */
export const zlib: Codec = {
  type: CompressionType.ZLIB,
  compress: (data) => deflateSync(data),
  decompress: (data, uncompressedSize) =>
    exactly('ZLIB', data, uncompressedSize, (limits) => inflateSync(data, { ...limits, finishFlush: constants.Z_SYNC_FLUSH })),
};

/** ZSTD, one frame. */
export const zstd: Codec = {
  type: CompressionType.ZSTD,
  compress: (data) => zstdCompressSync(data),
  decompress: (data, uncompressedSize) => exactly('ZSTD', data, uncompressedSize, (limits) => zstdDecompressSync(data, limits)),
};

interface Limits {
  readonly maxOutputLength: number;
  readonly chunkSize: number;
}

function exactly(name: string, data: Uint8Array, uncompressedSize: number, decompress: (limits: Limits) => Buffer): Buffer {
  let output: Buffer;
  try {
    // Read in one go where the size is moderate; a larger one is believed only as far as data comes.
    const chunkSize = Math.min(Math.max(uncompressedSize + 1, 64), 1024 * 1024);
    output = decompress({ maxOutputLength: uncompressedSize + 1, chunkSize });
  } catch (error) {
    throw new PulsarError('CORRUPT', `${data.length} bytes are not ${uncompressedSize} bytes in ${name}`, { cause: error });
  }
  if (output.length !== uncompressedSize) {
    throw new PulsarError('CORRUPT', `${data.length} bytes in ${name} hold ${output.length} bytes and not ${uncompressedSize}`);
  }
  return output;
}
