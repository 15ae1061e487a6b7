import type { BitSet } from '../message/bit-set.ts';
import type { WirePosition } from '../wire/commands.ts';

/** Acknowledgements of entries that are not sent yet, by ledger and entry. */
export class AckTable {
  #ledgers = new Map<number, Map<number, Pending>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** An entry as a whole, or with what is left of its batch. The whole replaces a part. */
  add(ledgerId: bigint, entryId: bigint, left?: BitSet): void {
    const ledger = Number(ledgerId);
    let entries = this.#ledgers.get(ledger);
    if (entries === undefined) {
      entries = new Map();
      this.#ledgers.set(ledger, entries);
    }
    const entry = Number(entryId);
    const before = entries.get(entry);
    if (before === undefined) this.#size += 1;
    else if (before.left === undefined) return;
    entries.set(entry, { ledgerId, entryId, left });
  }

  /** Whether an acknowledgement of a message waits here. */
  has(ledger: number, entry: number, batchIndex: number): boolean {
    const pending = this.#ledgers.get(ledger)?.get(entry);
    if (pending === undefined) return false;
    return pending.left === undefined || (batchIndex >= 0 && !pending.left.has(batchIndex));
  }

  /** Takes everything out, in pieces of so many at most. */
  drain(pieceSize: number): readonly (readonly WirePosition[])[] {
    const pieces: WirePosition[][] = [];
    let piece: WirePosition[] = [];
    for (const entries of this.#ledgers.values()) {
      for (const { ledgerId, entryId, left } of entries.values()) {
        if (left === undefined) piece.push({ ledgerId, entryId });
        else piece.push({ ledgerId, entryId, ackSet: left.toAckSet(), batchSize: left.size });
        if (piece.length === pieceSize) {
          pieces.push(piece);
          piece = [];
        }
      }
    }
    if (piece.length > 0) pieces.push(piece);
    this.clear();
    return pieces;
  }

  clear(): void {
    // A map that is cleared links its table with the next, so that all of them are collected late.
    this.#ledgers = new Map();
    this.#size = 0;
  }
}

interface Pending {
  readonly ledgerId: bigint;
  readonly entryId: bigint;
  readonly left: BitSet | undefined;
}
