/** A heap of numbers, the one of the lowest rank first. */
export class PairHeap {
  readonly #ranks: number[] = [];
  readonly #values: number[] = [];

  get size(): number {
    return this.#ranks.length;
  }

  /** The lowest rank; infinite if it is empty. */
  get lowest(): number {
    return this.#ranks[0] ?? Number.POSITIVE_INFINITY;
  }

  /** The value of the lowest rank, which stays in. */
  get top(): number | undefined {
    return this.#values[0];
  }

  push(rank: number, value: number): void {
    const ranks = this.#ranks;
    const values = this.#values;
    let index = ranks.length;
    ranks.push(rank);
    values.push(value);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#before(rank, value, parent)) break;
      ranks[index] = ranks[parent] as number;
      values[index] = values[parent] as number;
      index = parent;
    }
    ranks[index] = rank;
    values[index] = value;
  }

  /** Takes out the value of the lowest rank. */
  pop(): number | undefined {
    const ranks = this.#ranks;
    const values = this.#values;
    const top = values[0];
    const rank = ranks.pop();
    const value = values.pop();
    if (top === undefined || rank === undefined || value === undefined || ranks.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= ranks.length) break;
      if (child + 1 < ranks.length && this.#before(ranks[child + 1] as number, values[child + 1] as number, child)) child += 1;
      if (this.#before(rank, value, child)) break;
      ranks[index] = ranks[child] as number;
      values[index] = values[child] as number;
      index = child;
    }
    ranks[index] = rank;
    values[index] = value;
    return top;
  }

  clear(): void {
    this.#ranks.length = 0;
    this.#values.length = 0;
  }

  #before(rank: number, value: number, index: number): boolean {
    const other = this.#ranks[index] as number;
    return rank < other || (rank === other && value < (this.#values[index] as number));
  }
}
