const BITS = 14;

/**
 * Where four bytes were last seen, by a hash of them. It is used from call to call without being cleared: places are kept as
 * counted from the first call on, so that older ones are known by being too low.
 */
export class MatchTable {
  readonly #places = new Int32Array(1 << BITS);
  #base = 1;

  /** Starts with new data of so many bytes. */
  start(bytes: number): void {
    if (this.#base + bytes > 0x7fff_ffff) {
      this.#places.fill(0);
      this.#base = 1;
    }
  }

  /** Ends with data of so many bytes. */
  end(bytes: number): void {
    this.#base += bytes;
  }

  /** The place where these four bytes may have been seen last, below 0 if none; from now on it is `at`. */
  swap(word: number, at: number): number {
    const slot = Math.imul(word, 0x9e37_79b1) >>> (32 - BITS);
    const place = (this.#places[slot] as number) - this.#base;
    this.#places[slot] = at + this.#base;
    return place;
  }
}

/** Four bytes as a number. */
export function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

/** How many bytes from `at` on, before `end`, are the same as those from `earlier` on. */
export function sameBytes(bytes: Uint8Array, earlier: number, at: number, end: number): number {
  let length = 0;
  while (at + length < end && bytes[earlier + length] === bytes[at + length]) length++;
  return length;
}

/** Copies bytes within a buffer to `at`, from `offset` before it; where the two overlap, what was just copied is copied again. */
export function repeat(output: Uint8Array, at: number, offset: number, length: number): void {
  if (offset === 1) output.fill(output[at - 1] as number, at, at + length);
  else if (length <= offset && length > 32) output.copyWithin(at, at - offset, at - offset + length);
  else for (let n = at; n < at + length; n++) output[n] = output[n - offset] as number;
}
