/** So much of a line may have been taken before its room is given back. */
const slack = 1_024;

/** What waits in an order: it is taken from the front, and may be put back there. */
export class Line<T> {
  #items: T[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The first of them, at most so many, which stay. */
  first(count: number): readonly T[] {
    return this.#items.slice(this.#head, this.#head + count);
  }

  /** Takes so many from the front. */
  drop(count: number): void {
    this.#head += count;
    if (this.#head < slack || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }

  /** Puts them before all others. */
  putBack(items: readonly T[]): void {
    if (items.length > this.#head) {
      this.#items = [...items, ...this.#items.slice(this.#head)];
      this.#head = 0;
      return;
    }
    this.#head -= items.length;
    for (const [at, item] of items.entries()) this.#items[this.#head + at] = item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
