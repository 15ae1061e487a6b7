import { singleMessageBound } from '../wire/single-message.ts';
import type { Batch, BatchOutlet } from './batch.ts';
import type { BatchContainer } from './batch-container.ts';
import type { Settle } from './entry.ts';
import type { Outgoing } from './message.ts';
import type { BatchingOptions } from './options.ts';

/** Options of {@link Batcher}. */
export interface BatcherOptions {
  readonly limits: Required<BatchingOptions>;
  /** What fits into an entry for sure. */
  readonly maxEntryBytes: () => number;
  readonly container: BatchContainer;
  readonly outlet: BatchOutlet;
  /** Whether nothing is on its way that others could be gathered meanwhile for. */
  readonly isIdle: () => boolean;
  /** Whether anything can be sent now. */
  readonly isConnected: () => boolean;
}

/** Decides when messages that were gathered are sent. */
export class Batcher {
  readonly #options: BatcherOptions;
  readonly #onTime = (): void => this.#timeIsUp();
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #highest = -1;
  #lastRepeated = false;
  #closes = 0;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** How often what was gathered has been sent. */
  get closes(): number {
    return this.#closes;
  }

  /** When the oldest message came that is not sent yet, by the clock of `performance.now()`. */
  get oldestCreatedAt(): number | undefined {
    const { container } = this.#options;
    return container.count === 0 ? undefined : container.createdAt;
  }

  add(outgoing: Outgoing, settle: Settle): void {
    const { container, limits } = this.#options;
    const { sequenceId } = outgoing;
    const repeated = sequenceId <= this.#highest;
    if (!repeated) this.#highest = sequenceId;
    if (container.count > 0) {
      // The broker looks at the ids of a batch as a whole: what it may have already must not be together with what it has not.
      const apart = repeated || this.#lastRepeated;
      if (apart || !this.#hasRoomFor(outgoing) || !container.suits(outgoing)) this.close();
    }
    this.#lastRepeated = repeated;
    container.add(outgoing, settle);
    if (container.count >= limits.maxMessages || container.bytes >= limits.maxBytes) this.close();
    else if (container.count === 1) this.#arm();
  }

  #hasRoomFor(outgoing: Outgoing): boolean {
    const { container, limits, maxEntryBytes } = this.#options;
    const bytes = container.bytes + outgoing.payload.length;
    return bytes <= limits.maxBytes && bytes + singleMessageBound(outgoing) <= maxEntryBytes();
  }

  #arm(): void {
    const { limits, isIdle } = this.#options;
    // Nobody would gain by waiting: what is sent in this turn leaves together.
    if (limits.maxDelayMs === 0 || isIdle()) this.#immediate = setImmediate(this.#onTime);
    else this.#timer = setTimeout(this.#onTime, limits.maxDelayMs);
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
  }

  #timeIsUp(): void {
    this.#disarm();
    // While nothing can be sent batches grow up to their limits.
    if (this.#options.isConnected()) this.close();
  }

  /** Sends what is gathered. */
  close(): void {
    const { container, outlet } = this.#options;
    this.#disarm();
    if (container.count === 0) return;
    this.#closes += 1;
    container.close(outlet);
  }

  /** Drops what is gathered, and tells of what. */
  drop(): ReturnType<Batch['drop']> {
    this.#disarm();
    return this.#options.container.drop();
  }
}
