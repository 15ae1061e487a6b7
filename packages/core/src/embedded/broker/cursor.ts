import { RangeSet } from './range-set.ts';

/** What one subscription has acknowledged: everything below a position, and single messages beyond it. */
export class Cursor {
  /** Every message below it is acknowledged; the one at it is not. */
  position: number;
  readonly #beyond = new RangeSet();

  constructor(position: number, ranges: readonly number[] = []) {
    this.#beyond.load(ranges);
    this.position = this.#beyond.absorb(position);
  }

  has(sequence: number): boolean {
    return sequence < this.position || (this.#beyond.size > 0 && this.#beyond.has(sequence));
  }

  /** False if it was acknowledged before. */
  acknowledge(sequence: number): boolean {
    if (sequence < this.position) return false;
    if (sequence === this.position) {
      this.position += 1;
      if (this.#beyond.size > 0) this.position = this.#beyond.absorb(this.position);
      return true;
    }
    return this.#beyond.add(sequence);
  }

  /** How many of the messages below `tail` are not acknowledged. */
  backlog(tail: number): number {
    return Math.max(0, tail - this.position - this.#beyond.size);
  }

  /** Forgets every acknowledgement and begins at `position`. */
  moveTo(position: number): void {
    this.#beyond.clear();
    this.position = position;
  }

  /** Starts and ends of what is acknowledged beyond the position. */
  ranges(): number[] {
    return this.#beyond.flat();
  }
}
