import { PulsarError } from '../errors/pulsar-error.ts';

const WORD = 0x1_0000_0000;

/** How a field of protobuf is laid out. */
export const WireType = { VARINT: 0, FIXED64: 1, BYTES: 2, FIXED32: 5 } as const;

/** The error of bytes that are not the protobuf they should be. */
export function malformed(what: string): PulsarError {
  return new PulsarError('CORRUPT', `malformed protobuf: ${what}`);
}

/** Reads protobuf from a part of a buffer. Throws `CORRUPT` rather than read beyond that part. */
export class ByteReader {
  buffer: Buffer;
  /** Where the next byte is. */
  at: number;
  /** Where the part ends. */
  end: number;
  #low = 0;
  #high = 0;

  constructor(buffer: Buffer, start = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
  }

  /** Turns to another part of this or another buffer. */
  reset(buffer: Buffer, start: number, end: number): this {
    this.buffer = buffer;
    this.at = start;
    this.end = end;
    return this;
  }

  /** The low 32 bits of a varint, unsigned. */
  uint32(): number {
    if (this.at >= this.end) throw malformed('it ends before a number');
    const first = this.buffer[this.at] as number;
    if (first < 0x80) {
      this.at += 1;
      return first;
    }
    this.#varint();
    return this.#low;
  }

  /** The low 32 bits of a varint, signed. */
  int32(): number {
    return this.uint32() | 0;
  }

  bool(): boolean {
    if (this.at >= this.end) throw malformed('it ends before a number');
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  /** A varint of 64 bits as a signed number; beyond the safe integers the nearest one. */
  number(): number {
    if (this.at >= this.end) throw malformed('it ends before a number');
    const first = this.buffer[this.at] as number;
    if (first < 0x80) {
      this.at += 1;
      return first;
    }
    this.#varint();
    return (this.#high | 0) * WORD + this.#low;
  }

  /** A varint of 64 bits, signed. */
  bigint(): bigint {
    const value = this.number();
    if (Number.isSafeInteger(value)) return BigInt(value);
    return (BigInt(this.#high | 0) << 32n) | BigInt(this.#low);
  }

  #varint(): void {
    const { buffer, end } = this;
    let at = this.at;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= end) throw malformed('it ends within a number');
      const byte = buffer[at++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 64) high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.at = at;
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw malformed('a number is longer than ten bytes');
  }

  /** A length; returns where the content ends. The content starts at `at`. */
  length(): number {
    const length = this.uint32();
    const until = this.at + length;
    if (until > this.end) throw malformed('a length reaches beyond its end');
    return until;
  }

  /** A length and so much UTF-8. */
  string(): string {
    const until = this.length();
    const text = readText(this.buffer, this.at, until);
    this.at = until;
    return text;
  }

  /** A length and so many bytes, which stay where they are. */
  bytes(): Buffer {
    const until = this.length();
    const bytes = this.buffer.subarray(this.at, until);
    this.at = until;
    return bytes;
  }

  /** Passes over a field of no interest. */
  skip(wireType: number): void {
    switch (wireType) {
      case WireType.VARINT:
        this.number();
        return;
      case WireType.BYTES:
        this.at = this.length();
        return;
      case WireType.FIXED32:
        this.at += 4;
        break;
      case WireType.FIXED64:
        this.at += 8;
        break;
      default:
        throw malformed(`wire type ${wireType}`);
    }
    if (this.at > this.end) throw malformed('it ends within a number');
  }
}

/** Text of UTF-8 between two places of a buffer. */
export function readText(buffer: Buffer, start: number, end: number): string {
  // A call into the platform costs more than a loop over very little.
  if (end - start > 5) return buffer.toString('utf8', start, end);
  let text = '';
  for (let at = start; at < end; at++) {
    const byte = buffer[at] as number;
    if (byte > 0x7f) return buffer.toString('utf8', start, end);
    text += String.fromCharCode(byte);
  }
  return text;
}
