/** Integers beyond this have a high word in 64 bits. */
const WORD = 0x1_0000_0000;

/** How many bytes a varint takes at most. */
export const VARINT_MAX = 10;

/** How many bytes a string takes at most as a field of a length and UTF-8. */
export function stringBound(text: string): number {
  return 5 + text.length * 3;
}

/**
 * Writes protobuf into a buffer. The hot encoders ask for room once a message (`reserve`) and then write without a check, so
 * every writing method expects that there is room.
 */
export class ByteWriter {
  buffer: Buffer;
  /** Where the next byte goes. */
  at = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  byte(value: number): void {
    this.buffer[this.at++] = value;
  }

  /** Four bytes, highest first. */
  uint32(value: number): void {
    this.uint32At(this.at, value);
    this.at += 4;
  }

  uint32At(at: number, value: number): void {
    const { buffer } = this;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  /** A safe integer; one below zero as 64 bits of two's complement. */
  varint(value: number): void {
    if (value >= 0 && value < WORD) {
      const { buffer } = this;
      let rest = value;
      while (rest > 0x7f) {
        buffer[this.at++] = (rest & 0x7f) | 0x80;
        rest >>>= 7;
      }
      buffer[this.at++] = rest;
    } else this.#varint64(value >>> 0, Math.floor(value / WORD) >>> 0);
  }

  /** The low 64 bits. */
  varintBig(value: bigint): void {
    const small = Number(value);
    if (Number.isSafeInteger(small)) this.varint(small);
    else this.#varint64(Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
  }

  #varint64(low: number, high: number): void {
    const { buffer } = this;
    let lo = low;
    let hi = high;
    while (hi > 0 || lo > 0x7f) {
      buffer[this.at++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    buffer[this.at++] = lo;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** A length, then the bytes. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** A length, then the text in UTF-8. */
  string(text: string): void {
    const { length } = text;
    // Short texts are mostly ASCII; a call into the platform costs more than a loop over them.
    if (length < 16) {
      const { buffer } = this;
      const start = this.at;
      let to = start + 1;
      for (let from = 0; from < length; from++) {
        const code = text.charCodeAt(from);
        if (code > 0x7f) {
          this.#longString(text);
          return;
        }
        buffer[to++] = code;
      }
      buffer[start] = length;
      this.at = to;
    } else this.#longString(text);
  }

  #longString(text: string): void {
    const start = this.begin();
    this.at += this.buffer.write(text, this.at, 'utf8');
    this.end(start);
  }

  /** Starts something with a length in front whose size shows when it ends; it is one byte long mostly. Returns what `end` wants. */
  begin(): number {
    this.at += 1;
    return this.at;
  }

  /** Ends what `begin` started: puts the length in front, and moves the content where the length needs more than a byte. */
  end(start: number): void {
    const { buffer } = this;
    const length = this.at - start;
    if (length < 0x80) {
      buffer[start - 1] = length;
      return;
    }
    const size = length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : length < 0x1000_0000 ? 4 : 5;
    buffer.copyWithin(start - 1 + size, start, this.at);
    this.at = start - 1;
    this.varint(length);
    this.at += length;
  }
}
