import type { CompressionType } from '../gen/pulsar/wire_pb.ts';

/** One way to compress payloads. Batches are small enough to do it at once. */
export interface Codec {
  readonly type: CompressionType;
  compress(data: Uint8Array): Buffer;
  /**
   * The `uncompressedSize` bytes that were compressed. Throws `CORRUPT` if it is another number, or `data` is not of this
   * codec, and never takes much more memory than `uncompressedSize`, which the caller has found acceptable.
   */
  decompress(data: Uint8Array, uncompressedSize: number): Buffer;
}
