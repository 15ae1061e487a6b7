/** Longer texts are left to the platform, whose call costs as much as a loop over so many characters. */
const loopUpTo = 48;
const firstSize = 4_096;
/** What a message larger than this made the buffer grow to is given back. */
const largestKept = 1_048_576;
const slabSize = 16_384;

/** What {@link ByteWriter} throws for a value that it does not write. */
export const notWritable: unique symbol = Symbol('not writable');

/**
 * Writes the protobuf wire format into memory that is kept from message to message: an `ArrayBuffer` of its own for each
 * costs more than all the rest of encoding it, then and when it is collected.
 */
export class ByteWriter {
  #buffer = Buffer.allocUnsafeSlow(firstSize);
  #at = 0;
  readonly #forks: number[] = [];
  #slab = Buffer.allocUnsafeSlow(slabSize);
  #slabAt = 0;

  /** Begins a message; what a failed one left behind is forgotten. */
  reset(): void {
    this.#at = 0;
    this.#forks.length = 0;
  }

  /** The bytes that were written: the caller's own. */
  finish(): Uint8Array {
    const length = this.#at;
    const written = this.#buffer;
    if (written.length > largestKept) this.#buffer = Buffer.allocUnsafeSlow(firstSize);
    // So that a message that is kept keeps no more than a few others alive.
    if (length * 8 > slabSize) return new Uint8Array(written.subarray(0, length));
    if (this.#slabAt + length > slabSize) {
      this.#slab = Buffer.allocUnsafeSlow(slabSize);
      this.#slabAt = 0;
    }
    const bytes = new Uint8Array(this.#slab.buffer, this.#slabAt, length);
    written.copy(this.#slab, this.#slabAt, 0, length);
    this.#slabAt += length;
    return bytes;
  }

  /** A number from 0 to 2^53. */
  varint(value: number): void {
    let at = this.#reserve(10);
    const buffer = this.#buffer;
    let rest = value;
    while (rest > 0x7fff_ffff) {
      buffer[at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.#at = at;
  }

  int32(value: unknown): void {
    if (typeof value !== 'number' || (value | 0) !== value) throw notWritable;
    if (value >= 0) this.varint(value);
    else this.int64(BigInt(value));
  }

  uint32(value: unknown): void {
    if (typeof value !== 'number' || value >>> 0 !== value) throw notWritable;
    this.varint(value);
  }

  int64(value: unknown): void {
    if (typeof value !== 'bigint' || BigInt.asIntN(64, value) !== value) throw notWritable;
    this.#varint64(BigInt.asUintN(64, value));
  }

  uint64(value: unknown): void {
    if (typeof value !== 'bigint' || BigInt.asUintN(64, value) !== value) throw notWritable;
    this.#varint64(value);
  }

  bool(value: unknown): void {
    if (typeof value !== 'boolean') throw notWritable;
    this.varint(value ? 1 : 0);
  }

  double(value: unknown): void {
    if (typeof value !== 'number') throw notWritable;
    this.#at = this.#buffer.writeDoubleLE(value, this.#reserve(8));
  }

  string(value: unknown): void {
    if (typeof value !== 'string') throw notWritable;
    const { length } = value;
    if (length <= loopUpTo) {
      let at = this.#reserve(length + 1);
      const buffer = this.#buffer;
      buffer[at++] = length;
      let index = 0;
      for (; index < length; index++) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) break;
        buffer[at++] = code;
      }
      if (index === length) {
        this.#at = at;
        return;
      }
    }
    const bytes = Buffer.byteLength(value);
    this.varint(bytes);
    const at = this.#reserve(bytes);
    this.#at = at + this.#buffer.write(value, at, bytes, 'utf8');
  }

  bytes(value: unknown): void {
    if (!(value instanceof Uint8Array)) throw notWritable;
    this.varint(value.length);
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    this.#at = at + value.length;
  }

  /** Begins something whose length goes before it. */
  fork(): void {
    const at = this.#reserve(1);
    this.#forks.push(at);
    this.#at = at + 1;
  }

  /** Ends what the last `fork` began. */
  join(): void {
    const from = this.#forks.pop() as number;
    const length = this.#at - from - 1;
    if (length < 0x80) {
      this.#buffer[from] = length;
      return;
    }
    // One byte was left for the length; it takes more.
    let more = 1;
    for (let rest = length >>> 14; rest > 0; rest >>>= 7) more += 1;
    this.#reserve(more);
    this.#buffer.copyWithin(from + 1 + more, from + 1, this.#at);
    const end = this.#at + more;
    this.#at = from;
    this.varint(length);
    this.#at = end;
  }

  #varint64(value: bigint): void {
    if (value <= 0x1f_ffff_ffff_ffffn) {
      this.varint(Number(value));
      return;
    }
    let at = this.#reserve(10);
    let rest = value;
    while (rest > 0x7fn) {
      this.#buffer[at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[at++] = Number(rest);
    this.#at = at;
  }

  /** Makes room behind what is written and says where that ends. */
  #reserve(more: number): number {
    const at = this.#at;
    if (at + more > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, at + more));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    return at;
  }
}
