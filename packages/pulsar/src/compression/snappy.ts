import { PulsarError } from '../errors/pulsar-error.ts';
import { CompressionType } from '../gen/pulsar/wire_pb.ts';
import type { Codec } from './codec.ts';
import { MatchTable, repeat, sameBytes, wordAt } from './match-table.ts';

const MIN_MATCH = 4;
/** Decoders may take copies from no further back. */
const BLOCK = 65_536;
/** A copy of three bytes stands for at most 64. */
const MAX_RATIO = 22;

const table = new MatchTable();

/** Snappy as one raw block, without the framing of its streams. */
export const snappy: Codec = {
  type: CompressionType.SNAPPY,
  compress,
  decompress,
};

function compress(data: Uint8Array): Buffer {
  const { length } = data;
  const output = Buffer.allocUnsafe(32 + length + Math.ceil(length / 6));
  let written = 0;
  for (let rest = length; ; rest >>>= 7) {
    if (rest < 0x80) {
      output[written++] = rest;
      break;
    }
    output[written++] = (rest & 0x7f) | 0x80;
  }
  table.start(length);
  for (let start = 0; start < length; start += BLOCK) {
    written = compressBlock(data, start, Math.min(start + BLOCK, length), output, written);
  }
  table.end(length);
  return output.subarray(0, written);
}

function compressBlock(data: Uint8Array, start: number, end: number, output: Buffer, to: number): number {
  let written = to;
  let anchor = start;
  for (let at = start, misses = 0; at <= end - MIN_MATCH; ) {
    const word = wordAt(data, at);
    const candidate = table.swap(word, at);
    if (candidate < start || wordAt(data, candidate) !== word) {
      at += 1 + (misses++ >> 6);
      continue;
    }
    misses = 0;
    written = writeLiteral(data, anchor, at, output, written);
    const matched = MIN_MATCH + sameBytes(data, candidate + MIN_MATCH, at + MIN_MATCH, end);
    written = writeCopy(output, written, at - candidate, matched);
    at += matched;
    anchor = at;
  }
  return writeLiteral(data, anchor, end, output, written);
}

function writeLiteral(data: Uint8Array, from: number, end: number, output: Buffer, to: number): number {
  const count = end - from;
  if (count === 0) return to;
  const last = count - 1;
  let at = to;
  if (last < 60) output[at++] = last << 2;
  else {
    // A block is no larger than what two bytes can say.
    output[at++] = (last < 256 ? 60 : 61) << 2;
    output[at++] = last;
    if (last >= 256) output[at++] = last >>> 8;
  }
  output.set(data.subarray(from, end), at);
  return at + count;
}

function writeCopy(output: Buffer, to: number, offset: number, length: number): number {
  let at = to;
  let rest = length;
  while (rest > 0) {
    // What is left must not be shorter than four bytes, which the shortest copy stands for.
    const part = rest > 64 && rest < 68 ? 60 : Math.min(rest, 64);
    if (part >= 4 && part <= 11 && offset < 2048) {
      output[at++] = 1 | ((part - 4) << 2) | ((offset >>> 8) << 5);
      output[at++] = offset;
    } else {
      output[at++] = 2 | ((part - 1) << 2);
      output[at++] = offset;
      output[at++] = offset >>> 8;
    }
    rest -= part;
  }
  return at;
}

function decompress(data: Uint8Array, uncompressedSize: number): Buffer {
  let from = 0;
  let declared = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = data[from++];
    if (byte === undefined || from > 5) throw corrupt(data, uncompressedSize);
    declared += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  if (declared !== uncompressedSize || declared > data.length * MAX_RATIO) throw corrupt(data, uncompressedSize);
  const output = Buffer.allocUnsafe(uncompressedSize);
  const { length } = data;
  let to = 0;
  while (from < length) {
    const tag = data[from++] as number;
    let count = (tag >>> 2) + 1;
    if ((tag & 3) === 0) {
      if (count > 60) {
        const size = count - 60;
        if (from + size > length) throw corrupt(data, uncompressedSize);
        count = littleEndian(data, from, size) + 1;
        from += size;
      }
      if (from + count > length || to + count > uncompressedSize) throw corrupt(data, uncompressedSize);
      if (count > 32) output.set(data.subarray(from, from + count), to);
      else for (let n = 0; n < count; n++) output[to + n] = data[from + n] as number;
      from += count;
    } else {
      const size = tag & 3;
      let offset: number;
      if (size === 1) {
        count = ((tag >>> 2) & 7) + 4;
        offset = ((tag >>> 5) << 8) | (data[from] ?? 0);
        from += 1;
      } else {
        const bytes = size === 2 ? 2 : 4;
        offset = from + bytes > length ? 0 : littleEndian(data, from, bytes);
        from += bytes;
      }
      if (offset === 0 || offset > to || to + count > uncompressedSize || from > length) throw corrupt(data, uncompressedSize);
      repeat(output, to, offset, count);
    }
    to += count;
  }
  if (to !== uncompressedSize) throw corrupt(data, uncompressedSize);
  return output;
}

function littleEndian(data: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let n = size - 1; n >= 0; n--) value = value * 256 + (data[at + n] as number);
  return value;
}

function corrupt(data: Uint8Array, uncompressedSize: number): PulsarError {
  return new PulsarError('CORRUPT', `${data.length} bytes are not a Snappy block of ${uncompressedSize} bytes`);
}
