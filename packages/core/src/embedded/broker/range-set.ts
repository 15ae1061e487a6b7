/** A set of integers that lie mostly together, as half-open ranges in order. */
export class RangeSet {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  #size = 0;

  /** How many integers are in it. */
  get size(): number {
    return this.#size;
  }

  has(value: number): boolean {
    const index = this.#indexBefore(value);
    return index >= 0 && value < (this.#ends[index] as number);
  }

  /** Adds one. False if it was there. */
  add(value: number): boolean {
    const index = this.#indexBefore(value);
    if (index >= 0 && value < (this.#ends[index] as number)) return false;
    const joinsLeft = index >= 0 && this.#ends[index] === value;
    const joinsRight = this.#starts[index + 1] === value + 1;
    if (joinsLeft && joinsRight) {
      this.#ends.splice(index, 1);
      this.#starts.splice(index + 1, 1);
    } else if (joinsLeft) this.#ends[index] = value + 1;
    else if (joinsRight) this.#starts[index + 1] = value;
    else {
      this.#starts.splice(index + 1, 0, value);
      this.#ends.splice(index + 1, 0, value + 1);
    }
    this.#size += 1;
    return true;
  }

  /** Removes everything below `floor` and the range that contains it; gives the first integer from `floor` on that was not in the set. */
  absorb(floor: number): number {
    let reached = floor;
    let gone = 0;
    while (gone < this.#starts.length && (this.#starts[gone] as number) <= reached) {
      this.#size -= (this.#ends[gone] as number) - (this.#starts[gone] as number);
      reached = Math.max(reached, this.#ends[gone] as number);
      gone += 1;
    }
    if (gone > 0) {
      this.#starts.splice(0, gone);
      this.#ends.splice(0, gone);
    }
    return reached;
  }

  clear(): void {
    this.#starts.length = 0;
    this.#ends.length = 0;
    this.#size = 0;
  }

  /** Start and end of each range, one after the other, ascending. */
  flat(): number[] {
    const all: number[] = [];
    for (let i = 0; i < this.#starts.length; i++) all.push(this.#starts[i] as number, this.#ends[i] as number);
    return all;
  }

  /** Takes over what `flat` gave. */
  load(flat: readonly number[]): void {
    this.clear();
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const start = flat[i] as number;
      const end = flat[i + 1] as number;
      this.#starts.push(start);
      this.#ends.push(end);
      this.#size += end - start;
    }
  }

  /** The last range that starts at or before the value; -1 if none does. */
  #indexBefore(value: number): number {
    let low = 0;
    let high = this.#starts.length;
    // Acknowledgements come mostly in order: the last range is tried first.
    if (high === 0 || value >= (this.#starts[high - 1] as number)) return high - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#starts[middle] as number) <= value) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
