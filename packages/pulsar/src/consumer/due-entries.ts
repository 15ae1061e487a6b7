/** Things that fall due, many with one timer, each known by a key and due once. */
export class DueEntries<V> {
  readonly #onDue: (values: V[]) => void;
  /** By the time they are due, in steps. */
  readonly #steps = new Map<number, Map<string, V>>();
  readonly #stepOf = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(onDue: (values: V[]) => void) {
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#stepOf.size;
  }

  /** Due after so many milliseconds, or up to an eighth later. What is there already stays as it is. */
  add(key: string, value: V, delayMs: number): void {
    if (this.#stepOf.has(key)) return;
    const stepMs = Math.min(256, Math.max(1, Math.floor(delayMs / 8)));
    const at = Math.ceil((Date.now() + delayMs) / stepMs) * stepMs;
    let step = this.#steps.get(at);
    if (step === undefined) {
      step = new Map();
      this.#steps.set(at, step);
    }
    step.set(key, value);
    this.#stepOf.set(key, at);
    if (at < this.#timerAt) this.#arm(at);
  }

  delete(key: string): void {
    const at = this.#stepOf.get(key);
    if (at === undefined) return;
    this.#stepOf.delete(key);
    const step = this.#steps.get(at);
    step?.delete(key);
    if (step?.size === 0) this.#steps.delete(at);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#steps.clear();
    this.#stepOf.clear();
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    // Longer than this the platform's timer cannot wait: it wakes and goes on waiting.
    this.#timer = setTimeout(() => this.#fire(), Math.min(Math.max(0, at - Date.now()), 0x7fff_ffff));
  }

  #fire(): void {
    const now = Date.now();
    const due: V[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [at, step] of this.#steps) {
      if (at > now) {
        next = Math.min(next, at);
        continue;
      }
      this.#steps.delete(at);
      for (const [key, value] of step) {
        this.#stepOf.delete(key);
        due.push(value);
      }
    }
    this.#timerAt = Number.POSITIVE_INFINITY;
    // Armed before anybody is told: whatever goes wrong there must not stop the clock.
    if (next < Number.POSITIVE_INFINITY) this.#arm(next);
    if (due.length > 0) this.#onDue(due);
  }
}
