/** Which members of a batch are still to be acknowledged: bit i is set as long as member i is. */
export class BitSet {
  readonly size: number;
  readonly #words: Uint32Array;
  #count: number;

  /** All set, or as the protocol's words say: 64 bits each, lowest first, signed. */
  constructor(size: number, ackSet: readonly bigint[] = []) {
    this.size = size;
    this.#words = new Uint32Array((size + 31) >>> 5);
    if (ackSet.length === 0) {
      this.#words.fill(0xffff_ffff);
    } else {
      for (const [at, word] of ackSet.entries()) {
        if (at * 2 < this.#words.length) this.#words[at * 2] = Number(BigInt.asUintN(32, word));
        if (at * 2 + 1 < this.#words.length) this.#words[at * 2 + 1] = Number(BigInt.asUintN(32, word >> 32n));
      }
    }
    if (size % 32 !== 0) {
      const last = this.#words.length - 1;
      this.#words[last] = (this.#words[last] as number) & (2 ** (size % 32) - 1);
    }
    this.#count = 0;
    for (const word of this.#words) this.#count += bitsOf(word);
  }

  /** How many are set. */
  get count(): number {
    return this.#count;
  }

  has(index: number): boolean {
    return ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  /** Clears one. Returns whether it was set. */
  clear(index: number): boolean {
    if (!this.has(index)) return false;
    this.#words[index >>> 5] = (this.#words[index >>> 5] as number) & ~(1 << (index & 31));
    this.#count -= 1;
    return true;
  }

  /** Clears all up to and with this one. */
  clearThrough(index: number): void {
    const end = Math.min(index + 1, this.size);
    for (let at = 0; at * 32 < end; at++) {
      const word = this.#words[at] as number;
      const kept = end - at * 32 >= 32 ? 0 : word & ~(2 ** (end - at * 32) - 1);
      this.#words[at] = kept;
      this.#count -= bitsOf(word) - bitsOf(kept);
    }
  }

  /** As the protocol writes it. Trailing words without a bit are left out, as the Java client does; never without any word. */
  toAckSet(): readonly bigint[] {
    const ackSet: bigint[] = [];
    for (let at = 0; at < this.#words.length; at += 2) {
      const high = BigInt(this.#words[at + 1] ?? 0);
      ackSet.push(BigInt.asIntN(64, (high << 32n) | BigInt(this.#words[at] as number)));
    }
    while (ackSet.length > 1 && ackSet[ackSet.length - 1] === 0n) ackSet.pop();
    return ackSet;
  }
}

function bitsOf(word: number): number {
  let rest = word - ((word >>> 1) & 0x5555_5555);
  rest = (rest & 0x3333_3333) + ((rest >>> 2) & 0x3333_3333);
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}
