import type { Entry } from './entry.ts';

/** Entries in the order in which they are sent, and how many of them the connection has. */
export class PendingRing {
  #slots: (Entry | undefined)[] = new Array<Entry | undefined>(64).fill(undefined);
  #head = 0;
  #size = 0;
  #written = 0;

  get size(): number {
    return this.#size;
  }

  /** Whether everything was handed to the connection. */
  get allWritten(): boolean {
    return this.#written === this.#size;
  }

  get oldest(): Entry | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head];
  }

  get newest(): Entry | undefined {
    return this.#size === 0 ? undefined : this.at(this.#size - 1);
  }

  at(index: number): Entry | undefined {
    return this.#slots[(this.#head + index) & (this.#slots.length - 1)];
  }

  push(entry: Entry): void {
    if (this.#size === this.#slots.length) this.#grow();
    this.#slots[(this.#head + this.#size) & (this.#slots.length - 1)] = entry;
    this.#size += 1;
  }

  /** Takes out the oldest. */
  shift(): Entry | undefined {
    if (this.#size === 0) return undefined;
    const entry = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#slots.length - 1);
    this.#size -= 1;
    if (this.#written > 0) this.#written -= 1;
    return entry;
  }

  /** The oldest that the connection does not have yet; it counts as written from now on. */
  takeUnwritten(): Entry | undefined {
    if (this.allWritten) return undefined;
    const entry = this.at(this.#written);
    this.#written += 1;
    return entry;
  }

  /** Everything has to be written again: to another connection, or because it did not arrive well. */
  rewind(): void {
    this.#written = 0;
  }

  #grow(): void {
    const slots = new Array<Entry | undefined>(this.#slots.length * 2).fill(undefined);
    for (let index = 0; index < this.#size; index++) slots[index] = this.at(index);
    this.#slots = slots;
    this.#head = 0;
  }
}
