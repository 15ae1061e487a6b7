import { PulsarError } from '../errors/pulsar-error.ts';
import { CompressionType } from '../gen/pulsar/wire_pb.ts';
import type { Codec } from './codec.ts';
import { MatchTable, repeat, sameBytes, wordAt } from './match-table.ts';

const MIN_MATCH = 4;
/** The format wants so many bytes at the end as they are. */
const LAST_LITERALS = 5;
/** The format lets no match start closer to the end. */
const MATCH_LIMIT = 12;
const MAX_OFFSET = 65_535;
/** A byte stands for at most so many. */
const MAX_RATIO = 255;

const table = new MatchTable();

/** LZ4 as one raw block, without frame or size. */
export const lz4: Codec = {
  type: CompressionType.LZ4,
  compress,
  decompress,
};

function compress(data: Uint8Array): Buffer {
  const { length } = data;
  const output = Buffer.allocUnsafe(length + Math.ceil(length / MAX_RATIO) + 16);
  let written = 0;
  let anchor = 0;
  const matchEnd = length - LAST_LITERALS;
  table.start(length);
  for (let at = 0, misses = 0; at <= length - MATCH_LIMIT; ) {
    const word = wordAt(data, at);
    const candidate = table.swap(word, at);
    if (candidate < 0 || at - candidate > MAX_OFFSET || wordAt(data, candidate) !== word) {
      // The longer nothing is found, the larger the steps: what cannot be compressed should not take long.
      at += 1 + (misses++ >> 6);
      continue;
    }
    misses = 0;
    const matched = MIN_MATCH + sameBytes(data, candidate + MIN_MATCH, at + MIN_MATCH, matchEnd);
    written = writeLiterals(output, written, data, anchor, at, matched - MIN_MATCH);
    output[written++] = at - candidate;
    output[written++] = (at - candidate) >>> 8;
    if (matched - MIN_MATCH >= 15) written = writeLength(output, written, matched - MIN_MATCH - 15);
    at += matched;
    anchor = at;
  }
  table.end(length);
  return output.subarray(0, writeLiterals(output, written, data, anchor, length, 0));
}

/** Writes the token and the bytes that stand as they are; the length of the match is up to the caller from 15 on. */
function writeLiterals(output: Buffer, to: number, data: Uint8Array, from: number, end: number, match: number): number {
  const count = end - from;
  let at = to;
  output[at++] = (Math.min(count, 15) << 4) | Math.min(match, 15);
  if (count >= 15) at = writeLength(output, at, count - 15);
  if (count > 32) output.set(data.subarray(from, end), at);
  else for (let n = 0; n < count; n++) output[at + n] = data[from + n] as number;
  return at + count;
}

function writeLength(output: Buffer, to: number, length: number): number {
  let at = to;
  let rest = length;
  for (; rest >= 255; rest -= 255) output[at++] = 255;
  output[at++] = rest;
  return at;
}

function decompress(data: Uint8Array, uncompressedSize: number): Buffer {
  if (uncompressedSize > data.length * MAX_RATIO) throw corrupt(data, uncompressedSize);
  const output = Buffer.allocUnsafe(uncompressedSize);
  const { length } = data;
  let from = 0;
  let to = 0;
  while (from < length) {
    const token = data[from++] as number;
    let count = token >>> 4;
    if (count === 15) {
      let more = 255;
      while (more === 255 && from < length) {
        more = data[from++] as number;
        count += more;
      }
    }
    if (from + count > length || to + count > uncompressedSize) throw corrupt(data, uncompressedSize);
    if (count > 32) output.set(data.subarray(from, from + count), to);
    else for (let n = 0; n < count; n++) output[to + n] = data[from + n] as number;
    from += count;
    to += count;
    if (from === length) break;
    if (from + 2 > length) throw corrupt(data, uncompressedSize);
    const offset = (data[from] as number) | ((data[from + 1] as number) << 8);
    from += 2;
    let matched = token & 15;
    if (matched === 15) {
      let more = 255;
      while (more === 255 && from < length) {
        more = data[from++] as number;
        matched += more;
      }
    }
    matched += MIN_MATCH;
    if (offset === 0 || offset > to || to + matched > uncompressedSize) throw corrupt(data, uncompressedSize);
    repeat(output, to, offset, matched);
    to += matched;
  }
  if (to !== uncompressedSize) throw corrupt(data, uncompressedSize);
  return output;
}

function corrupt(data: Uint8Array, uncompressedSize: number): PulsarError {
  return new PulsarError('CORRUPT', `${data.length} bytes are not an LZ4 block of ${uncompressedSize} bytes`);
}
