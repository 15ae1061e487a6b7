import type { BufferPool } from '../wire/buffer-pool.ts';
import { Batch, type BatchOutlet } from './batch.ts';
import type { Settle } from './entry.ts';
import type { Outgoing } from './message.ts';

/** Messages that wait to be sent together. */
export interface BatchContainer {
  readonly count: number;
  /** Bytes in the topic before compression, nearly. */
  readonly bytes: number;
  /** When the oldest message came, by the clock of `performance.now()`. */
  readonly createdAt: number;
  /** Whether a message may be added to what is here. */
  suits(outgoing: Outgoing): boolean;
  add(outgoing: Outgoing, settle: Settle): void;
  /** Sends everything, in the order in which its latest messages came; afterwards it is empty. */
  close(outlet: BatchOutlet): void;
  /** Drops everything, and tells of what. */
  drop(): { readonly settles: readonly Settle[]; readonly bytes: number };
}

/** Everything in one entry. */
export function createBatchContainer(pool: BufferPool): BatchContainer {
  const batch = new Batch(pool);
  return {
    get count() {
      return batch.count;
    },
    get bytes() {
      return batch.bytes;
    },
    get createdAt() {
      return batch.createdAt;
    },
    suits: (outgoing) => batch.suits(outgoing),
    add: (outgoing, settle) => batch.add(outgoing, settle),
    close: (outlet) => batch.close(outlet, false),
    drop: () => batch.drop(),
  };
}

function keyOf(outgoing: Outgoing): string {
  const { orderingKey, partitionKey } = outgoing;
  // What stands in front keeps the two kinds of keys, and none, apart.
  if (orderingKey !== undefined) return `o${Buffer.from(orderingKey).toString('latin1')}`;
  return partitionKey === undefined ? '' : `k${partitionKey}`;
}

/** An entry for each key. */
export class KeyedBatchContainer implements BatchContainer {
  readonly #pool: BufferPool;
  #batches = new Map<string, Batch>();
  #count = 0;
  #bytes = 0;
  #createdAt = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get createdAt(): number {
    return this.#createdAt;
  }

  suits(outgoing: Outgoing): boolean {
    for (const batch of this.#batches.values()) return batch.suits(outgoing);
    return true;
  }

  add(outgoing: Outgoing, settle: Settle): void {
    const key = keyOf(outgoing);
    let batch = this.#batches.get(key);
    if (batch === undefined) {
      batch = new Batch(this.#pool);
      this.#batches.set(key, batch);
    }
    const before = batch.bytes;
    batch.add(outgoing, settle);
    this.#bytes += batch.bytes - before;
    this.#count += 1;
    if (this.#count === 1) this.#createdAt = batch.createdAt;
  }

  close(outlet: BatchOutlet): void {
    const batches = [...this.#batches.values()].sort((one, other) => one.highestSequenceId - other.highestSequenceId);
    this.#clear();
    for (const batch of batches) batch.close(outlet, true);
  }

  drop(): { readonly settles: readonly Settle[]; readonly bytes: number } {
    const dropped = [...this.#batches.values()].map((batch) => batch.drop());
    this.#clear();
    return { settles: dropped.flatMap(({ settles }) => settles), bytes: dropped.reduce((sum, { bytes }) => sum + bytes, 0) };
  }

  #clear(): void {
    // A map that is cleared links its table with the next, so that all of them are collected late.
    this.#batches = new Map();
    this.#count = 0;
    this.#bytes = 0;
  }
}
