/** At least so many are added before the maps are changed. */
const leastAdded = 1_000;

/**
 * A map of what comes and goes. A `Map` that is used so makes a new table every few deletions, and V8 links each with the next: once a
 * full collection has moved one of them to old memory, all that come later, and everything that was in them, survive until the next
 * full one, which then comes soon. Here a map is left for a new one before that happens. Values are never `undefined`.
 */
export class PassingMap<K, V> {
  #recent = new Map<K, V>();
  #earlier = new Map<K, V>();
  #added = 0;

  get size(): number {
    return this.#recent.size + this.#earlier.size;
  }

  get(key: K): V | undefined {
    return this.#recent.get(key) ?? this.#earlier.get(key);
  }

  /** Adds what is not there yet. */
  add(key: K, value: V): void {
    // So that what is carried over is no more than what was added.
    if (this.#added >= leastAdded && this.#added >= this.size) this.#change();
    this.#added += 1;
    this.#recent.set(key, value);
  }

  delete(key: K): boolean {
    return this.#recent.delete(key) || this.#earlier.delete(key);
  }

  clear(): void {
    this.#recent = new Map();
    this.#earlier = new Map();
    this.#added = 0;
  }

  /** In no order. */
  values(): V[] {
    return [...this.#earlier.values(), ...this.#recent.values()];
  }

  #change(): void {
    const left = this.#earlier;
    this.#earlier = this.#recent;
    this.#recent = new Map();
    this.#added = 0;
    for (const [key, value] of left) this.#earlier.set(key, value);
  }
}
