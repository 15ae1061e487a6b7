import { PulsarError } from '../errors/pulsar-error.ts';

/** Largest message in bytes until the broker says otherwise. */
export const DEFAULT_MAX_MESSAGE_SIZE: number = 5 * 1024 * 1024;

/** How much larger than a message its frame may be, in bytes. */
export const FRAME_PADDING: number = 10 * 1024;

/**
 * Takes a frame that is complete: the size of the command is at `start`, and the frame ends before `end`. The buffer is not
 * reused. Whatever this throws ends the decoding.
 */
export type FrameSink = (buffer: Buffer, start: number, end: number) => void;

/**
 * Splits what a socket reads into frames. A frame that lies within one chunk is not copied; of one that does not, each byte is
 * copied once. It holds no more than one frame.
 */
export class FrameDecoder {
  /** Largest frame taken, without its first four bytes. */
  maxFrameSize: number = DEFAULT_MAX_MESSAGE_SIZE + FRAME_PADDING;
  readonly #sink: FrameSink;
  /** The first bytes of a size that its chunk cut. */
  readonly #size: Buffer = Buffer.alloc(4);
  #sizeFilled = 0;
  /** A frame that more is to come of. */
  #partial: Buffer | undefined;
  #filled = 0;
  #closed = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Bytes that are held until the rest of their frame comes. */
  get heldBytes(): number {
    return this.#partial === undefined ? this.#sizeFilled : this.#partial.length;
  }

  /** Sets the limit by what the broker says in CONNECTED. */
  setMaxMessageSize(bytes: number): void {
    this.maxFrameSize = bytes + FRAME_PADDING;
  }

  /** No frame is handed out any more, not even the next one of a chunk at work. */
  close(): void {
    this.#closed = true;
    this.#partial = undefined;
  }

  /** Takes the next chunk. Throws `PROTOCOL` if a frame is larger than allowed or cannot be one; nothing more can be decoded then. */
  push(chunk: Buffer): void {
    let at = 0;
    if (this.#partial !== undefined) at = this.#fill(this.#partial, chunk, 0);
    else if (this.#sizeFilled > 0) at = this.#fillSize(chunk);
    while (!this.#closed && chunk.length - at >= 4) {
      const size = chunk.readUInt32BE(at);
      this.#check(size);
      at += 4;
      if (chunk.length - at < size) {
        this.#partial = Buffer.allocUnsafeSlow(size);
        this.#filled = 0;
        at = this.#fill(this.#partial, chunk, at);
        return;
      }
      this.#emit(chunk, at, at + size);
      at += size;
    }
    if (this.#closed || at === chunk.length) return;
    chunk.copy(this.#size, 0, at);
    this.#sizeFilled = chunk.length - at;
  }

  /** Goes on with a size that was cut; returns how far the chunk is used up. */
  #fillSize(chunk: Buffer): number {
    const taken = Math.min(4 - this.#sizeFilled, chunk.length);
    chunk.copy(this.#size, this.#sizeFilled, 0, taken);
    this.#sizeFilled += taken;
    if (this.#sizeFilled < 4) return taken;
    this.#sizeFilled = 0;
    const size = this.#size.readUInt32BE(0);
    this.#check(size);
    if (chunk.length - taken >= size) {
      this.#emit(chunk, taken, taken + size);
      return taken + size;
    }
    this.#partial = Buffer.allocUnsafeSlow(size);
    this.#filled = 0;
    return this.#fill(this.#partial, chunk, taken);
  }

  /** Goes on with a frame that was cut; returns how far the chunk is used up. */
  #fill(partial: Buffer, chunk: Buffer, at: number): number {
    const taken = Math.min(partial.length - this.#filled, chunk.length - at);
    chunk.copy(partial, this.#filled, at, at + taken);
    this.#filled += taken;
    if (this.#filled === partial.length) {
      this.#partial = undefined;
      this.#emit(partial, 0, partial.length);
    }
    return at + taken;
  }

  #check(size: number): void {
    if (size >= 4 && size <= this.maxFrameSize) return;
    this.close();
    throw new PulsarError('PROTOCOL', `the broker sent a frame of ${size} bytes; ${this.maxFrameSize} are allowed and 4 needed`);
  }

  #emit(buffer: Buffer, start: number, end: number): void {
    const commandSize = buffer.readUInt32BE(start);
    if (commandSize > end - start - 4) {
      this.close();
      throw new PulsarError('PROTOCOL', `the broker sent a command of ${commandSize} bytes in a frame of ${end - start}`);
    }
    this.#sink(buffer, start, end);
  }
}
