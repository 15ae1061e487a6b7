import type { ChunkPosition } from '../message/entry.ts';

/** A chunk as it came. */
export interface Chunk {
  readonly uuid: string;
  readonly chunkId: number;
  readonly count: number;
  readonly totalSize: number;
  /** In milliseconds since the epoch. */
  readonly publishTimeMs: number;
  readonly position: ChunkPosition;
  readonly payload: Buffer;
}

/** Options of {@link ChunkStore}. */
export interface ChunkOptions {
  readonly maxPending: number;
  readonly expiryMs: number;
  readonly autoAckOldest: boolean;
  /** The entries are of no use: never to be delivered again. */
  readonly acknowledge: (positions: readonly ChunkPosition[]) => void;
  /** The entries are to be delivered again some time. */
  readonly abandon: (positions: readonly ChunkPosition[]) => void;
}

/** A message whose chunks are all here. */
export interface Assembled {
  readonly payload: Buffer;
  readonly positions: readonly ChunkPosition[];
}

interface Pending {
  readonly parts: Buffer[];
  readonly positions: ChunkPosition[];
  readonly startedAt: number;
}

/** Puts messages together that came in chunks. */
export class ChunkStore {
  readonly #options: ChunkOptions;
  /** By uuid, the oldest first. */
  readonly #pending = new Map<string, Pending>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ChunkOptions) {
    this.#options = options;
  }

  /** Takes a chunk. Returns the message if this was its last one. */
  add(chunk: Chunk): Assembled | undefined {
    if (chunk.chunkId === 0) this.#open(chunk);
    const pending = this.#pending.get(chunk.uuid);
    if (pending === undefined || chunk.chunkId > pending.parts.length) {
      this.#misfit(chunk);
      return undefined;
    }
    if (chunk.chunkId < pending.parts.length) {
      if (!includes(pending.positions, chunk.position)) this.#options.acknowledge([chunk.position]);
      return undefined;
    }
    pending.parts.push(chunk.payload);
    pending.positions.push(chunk.position);
    if (chunk.chunkId < chunk.count - 1) return undefined;
    this.#delete(chunk.uuid);
    return { payload: Buffer.concat(pending.parts), positions: pending.positions };
  }

  #open(chunk: Chunk): void {
    const { maxPending, autoAckOldest, acknowledge, abandon } = this.#options;
    const before = this.#pending.get(chunk.uuid);
    this.#pending.delete(chunk.uuid);
    // The same entry again is a new delivery; another one is a copy, of which one was never finished.
    if (before !== undefined && !includes(before.positions, chunk.position)) acknowledge(before.positions);
    if (this.#pending.size >= maxPending) {
      const [oldest] = this.#pending;
      if (oldest !== undefined) {
        this.#pending.delete(oldest[0]);
        if (autoAckOldest) acknowledge(oldest[1].positions);
        else abandon(oldest[1].positions);
      }
    }
    this.#pending.set(chunk.uuid, { parts: [], positions: [], startedAt: Date.now() });
    this.#arm();
  }

  /** A chunk whose beginning is missing: of a message that was given up, or that begins in another delivery. */
  #misfit(chunk: Chunk): void {
    const pending = this.#pending.get(chunk.uuid);
    this.#delete(chunk.uuid);
    if (pending !== undefined) this.#options.abandon(pending.positions);
    if (chunk.publishTimeMs + this.#options.expiryMs < Date.now()) this.#options.acknowledge([chunk.position]);
    else this.#options.abandon([chunk.position]);
  }

  #delete(uuid: string): void {
    this.#pending.delete(uuid);
    if (this.#pending.size === 0) this.#disarm();
  }

  #arm(): void {
    const [oldest] = this.#pending.values();
    if (oldest === undefined || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.#expire(), Math.max(0, oldest.startedAt + this.#options.expiryMs - Date.now()));
  }

  #disarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #expire(): void {
    this.#timer = undefined;
    const now = Date.now();
    for (const [uuid, { startedAt, positions }] of this.#pending) {
      if (startedAt + this.#options.expiryMs > now) break;
      this.#pending.delete(uuid);
      this.#options.acknowledge(positions);
    }
    this.#arm();
  }

  /** Forgets what is not complete: it is delivered again, or of no interest any more. */
  clear(): void {
    this.#pending.clear();
    this.#disarm();
  }
}

function includes(positions: readonly ChunkPosition[], position: ChunkPosition): boolean {
  return positions.some(({ ledgerId, entryId }) => ledgerId === position.ledgerId && entryId === position.entryId);
}
