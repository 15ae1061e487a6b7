import { isUtf8 } from 'node:buffer';

/** Longer messages are not turned into text as a whole: each of their texts would keep all of it in memory. */
const wholeUpTo = 1_024;

const words = new Int32Array(2);
const signed = new BigInt64Array(words.buffer);
const unsigned = new BigUint64Array(words.buffer);

/** What {@link ByteReader} throws for bytes that it does not read. */
export const notReadable: unique symbol = Symbol('not readable');

/** Reads the protobuf wire format. */
export class ByteReader {
  /** Where the next value begins. */
  at = 0;
  readonly #bytes: Uint8Array;
  #text: string | undefined;
  #view: DataView | undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The end of what a length that comes next spans. */
  span(): number {
    const length = this.uint32();
    const end = this.at + length;
    if (end > this.#bytes.length) throw notReadable;
    return end;
  }

  /** A field's number and wire type, in one. */
  tag(): number {
    const bytes = this.#bytes;
    const at = this.at;
    const first = bytes[at] as number;
    if (first < 0x80) {
      this.at = at + 1;
      return first;
    }
    const second = bytes[at + 1] as number;
    if (second < 0x80) {
      this.at = at + 2;
      return (first & 0x7f) | (second << 7);
    }
    this.#varint();
    if (this.at - at > 5 || words[1] !== 0) throw notReadable;
    return (words[0] as number) >>> 0;
  }

  uint32(): number {
    const first = this.#bytes[this.at] as number;
    if (first < 0x80) {
      this.at += 1;
      return first;
    }
    this.#varint();
    return (words[0] as number) >>> 0;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  sint32(): number {
    const value = this.uint32();
    return (value >>> 1) ^ -(value & 1);
  }

  int64(): bigint {
    this.#varint();
    return signed[0] as bigint;
  }

  uint64(): bigint {
    this.#varint();
    return unsigned[0] as bigint;
  }

  sint64(): bigint {
    const value = this.uint64();
    return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
  }

  bool(): boolean {
    this.#varint();
    return words[0] !== 0 || words[1] !== 0;
  }

  fixed32(): number {
    return this.#data(4).getUint32(this.at - 4, true);
  }

  sfixed32(): number {
    return this.#data(4).getInt32(this.at - 4, true);
  }

  fixed64(): bigint {
    return this.#data(8).getBigUint64(this.at - 8, true);
  }

  sfixed64(): bigint {
    return this.#data(8).getBigInt64(this.at - 8, true);
  }

  float(): number {
    return this.#data(4).getFloat32(this.at - 4, true);
  }

  double(): number {
    return this.#data(8).getFloat64(this.at - 8, true);
  }

  /** A part of the bytes that are read, not a copy. */
  bytes(): Uint8Array {
    const end = this.span();
    const part = this.#bytes.subarray(this.at, end);
    this.at = end;
    return part;
  }

  string(): string {
    const end = this.span();
    const start = this.at;
    this.at = end;
    if (this.#bytes.length <= wholeUpTo && this.#isAscii(start, end)) {
      this.#text ??= this.#buffer().toString('latin1');
      return this.#text.substring(start, end);
    }
    const buffer = this.#buffer();
    const text = buffer.toString(undefined, start, end);
    // It stands for all that is no UTF-8, too.
    if (text.includes('\ufffd') && !isUtf8(buffer.subarray(start, end))) throw notReadable;
    return text;
  }

  /** Passes over a value of a wire type and gives its bytes. */
  skip(wireType: number): Uint8Array {
    const start = this.at;
    if (wireType === 0) this.#varint();
    else if (wireType === 1) this.#data(8);
    else if (wireType === 5) this.#data(4);
    else if (wireType === 2) this.at = this.span();
    else throw notReadable;
    return this.#bytes.subarray(start, this.at);
  }

  #buffer(): Buffer {
    const bytes = this.#bytes;
    return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #isAscii(start: number, end: number): boolean {
    const bytes = this.#bytes;
    let at = start;
    for (; end - at >= 4; at += 4) {
      if (((bytes[at] as number) | (bytes[at + 1] as number) | (bytes[at + 2] as number) | (bytes[at + 3] as number)) > 0x7f) return false;
    }
    for (; at < end; at++) {
      if ((bytes[at] as number) > 0x7f) return false;
    }
    return true;
  }

  #data(size: number): DataView {
    const bytes = this.#bytes;
    this.at += size;
    if (this.at > bytes.length) throw notReadable;
    this.#view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.#view;
  }

  /** Reads into `words`. */
  #varint(): void {
    const bytes = this.#bytes;
    let at = this.at;
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      // Not a byte behind the last: such a number has no end.
      const byte = bytes[at++] as number;
      if (byte === undefined || shift > 63) throw notReadable;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) break;
    }
    this.at = at;
    words[0] = low;
    words[1] = high;
  }
}
