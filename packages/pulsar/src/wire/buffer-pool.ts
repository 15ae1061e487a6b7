const SMALLEST = 4 * 1024;
const LARGEST = 1024 * 1024;

/** Options of {@link BufferPool}. */
export interface BufferPoolOptions {
  /** How many bytes of unused buffers it keeps. Default: 8 MiB. */
  readonly maxIdleBytes?: number;
}

/**
 * Buffers that are used again: those of batches come and go by the thousand a second, and memory that the kernel has just
 * handed out costs more than what is written into it.
 *
 * Giving back is up to the holder; what is never given back is collected as any buffer is.
 */
export class BufferPool {
  readonly #maxIdleBytes: number;
  readonly #idle = new Map<number, Buffer[]>();
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #idleBytes = 0;

  constructor(options: BufferPoolOptions = {}) {
    this.#maxIdleBytes = options.maxIdleBytes ?? 8 * 1024 * 1024;
  }

  /** Bytes of unused buffers. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer of at least so many bytes, with anything in it. */
  take(bytes: number): Buffer {
    if (bytes <= SMALLEST / 2) return Buffer.allocUnsafe(bytes);
    if (bytes > LARGEST) return Buffer.allocUnsafeSlow(bytes);
    const size = Math.max(SMALLEST, 2 ** (32 - Math.clz32(bytes - 1)));
    const idle = this.#idle.get(size)?.pop();
    if (idle !== undefined) this.#idleBytes -= size;
    const buffer = idle ?? Buffer.allocUnsafeSlow(size);
    this.#lent.add(buffer.buffer);
    return buffer;
  }

  /**
   * Gives a buffer back, or any part of it that stands for the whole. Nobody may read or write it any more. Buffers that are not
   * of this pool, or were given back already, are left alone.
   */
  give(part: Buffer): void {
    const { buffer } = part;
    if (!this.#lent.delete(buffer)) return;
    const size = buffer.byteLength;
    if (this.#idleBytes + size > this.#maxIdleBytes) return;
    const idle = this.#idle.get(size);
    if (idle === undefined) this.#idle.set(size, [Buffer.from(buffer)]);
    else idle.push(Buffer.from(buffer));
    this.#idleBytes += size;
  }
}
