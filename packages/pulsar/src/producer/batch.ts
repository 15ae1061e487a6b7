import { BatchBuilder } from '../wire/batch-builder.ts';
import type { BufferPool } from '../wire/buffer-pool.ts';
import type { Entry, Settle } from './entry.ts';
import { type EntryWriter, type Moment, now } from './entry-writer.ts';
import type { Outgoing } from './message.ts';

/** Where a batch goes when it is closed. */
export interface BatchOutlet {
  readonly writer: EntryWriter;
  send(entry: Entry): void;
  /** It could not be made. */
  fail(settles: readonly Settle[], bytes: number, error: unknown): void;
}

/**
 * Messages that become one entry. The first is encoded only when a second one comes: one alone becomes a plain entry.
 */
export class Batch {
  readonly #pool: BufferPool;
  #builder: BatchBuilder | undefined;
  #first: Outgoing | undefined;
  #settles: Settle[] = [];
  #lowest = 0;
  #highest = 0;
  #payloadBytes = 0;
  #moment: Moment = { publishTime: 0, createdAt: 0 };

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  get count(): number {
    return this.#settles.length;
  }

  /** Bytes in the topic before compression, nearly. */
  get bytes(): number {
    const builder = this.#builder;
    return builder !== undefined && builder.count > 0 ? builder.bytes : this.#payloadBytes;
  }

  /** Bytes of payload. */
  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** When the first message came, by the clock of `performance.now()`. */
  get createdAt(): number {
    return this.#moment.createdAt;
  }

  get highestSequenceId(): number {
    return this.#highest;
  }

  /** Whether a message may be in one entry with what is here: everything is of one transaction or of none, and of one schema. */
  suits(outgoing: Outgoing): boolean {
    const first = this.#first;
    return first === undefined || (first.scope === outgoing.scope && first.schema === outgoing.schema);
  }

  add(outgoing: Outgoing, settle: Settle): void {
    const first = this.#first;
    if (first === undefined) {
      this.#first = outgoing;
      this.#moment = now();
      this.#lowest = outgoing.sequenceId;
    } else {
      this.#builder ??= new BatchBuilder(this.#pool);
      if (this.#builder.count === 0) this.#builder.append(first, first.payload);
      this.#builder.append(outgoing, outgoing.payload);
    }
    this.#settles.push(settle);
    this.#highest = outgoing.sequenceId;
    this.#payloadBytes += outgoing.payload.length;
  }

  /** Sends what is here; afterwards it is empty. `keyed`: it is of one key among others. */
  close(outlet: BatchOutlet, keyed: boolean): void {
    const first = this.#first;
    if (first === undefined) return;
    const settles = this.#settles;
    const bytes = this.#payloadBytes;
    const builder = this.#builder;
    this.#first = undefined;
    this.#settles = [];
    this.#payloadBytes = 0;
    try {
      if (builder === undefined || builder.count === 0) {
        for (const entry of outlet.writer.single(first, settles[0] as Settle, this.#moment)) outlet.send(entry);
      } else {
        const lowestSequenceId = keyed ? undefined : this.#lowest;
        const closed = { builder, first, settles, bytes, moment: this.#moment, lowestSequenceId, highestSequenceId: this.#highest };
        outlet.send(outlet.writer.batch(closed));
      }
    } catch (error) {
      outlet.fail(settles, bytes, error);
    }
  }

  /** Drops what is here. Returns what waits for it. */
  drop(): { readonly settles: readonly Settle[]; readonly bytes: number } {
    const dropped = { settles: this.#settles, bytes: this.#payloadBytes };
    this.#builder?.clear();
    this.#first = undefined;
    this.#settles = [];
    this.#payloadBytes = 0;
    return dropped;
  }
}
