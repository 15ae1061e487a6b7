import type { OutgoingMessage } from '../broker/port.ts';

/** A row that is committed and not yet deleted: the events of one `add`. */
export interface OutboxRow {
  /** Which instance wrote it, and in which place. Never changes, whoever owns the epoch. */
  readonly epoch: number;
  readonly seq: number;
  readonly events: number;
  /** In milliseconds since the epoch. */
  readonly addedAtMs: number;
  /** Since when this instance is to publish it, by the clock's monotonic time. */
  knownAtMs: number;
  /** How large its content is in memory; 0 until it was read. */
  bytes: number;
  /** How many of its events are not published yet. */
  left: number;
  /** How many of those are held back, since the broker refuses them or one of their key before them. */
  refused: number;
  /** How many of the others are set aside: memory keeps their places only, since their topic takes nothing. */
  aside: number;
}

/** Where an event is: in which row, and the how manieth there. */
export interface OutboxPlace {
  readonly row: OutboxRow;
  readonly index: number;
}

/** One event of a row on its way. */
export interface OutboxEntry extends OutboxPlace {
  readonly message: OutgoingMessage;
}

export const placeOf = ({ row, index }: OutboxPlace): OutboxPlace => ({ row, index });

/** So much of the table is read at once, but for a single row that is larger, in bytes. */
const maxPageBytes = 1024 * 1024;

/** The first of some places, at most so many, whose rows are read together. */
export function firstPage(places: readonly OutboxPlace[], count: number): readonly OutboxPlace[] {
  const rows = new Set<OutboxRow>();
  let bytes = 0;
  let size = 0;
  for (const { row } of places) {
    if (!rows.has(row)) bytes += row.bytes;
    rows.add(row);
    if (size === count || (size > 0 && bytes > maxPageBytes)) break;
    size += 1;
  }
  return places.slice(0, size);
}

/** Rows by their place. */
export const rowKey = (row: { readonly epoch: number; readonly seq: number }): string => `${row.epoch}:${row.seq}`;
