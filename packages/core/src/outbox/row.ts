import type { OutgoingMessage } from '../broker/port.ts';

/** A row that is committed and not yet deleted: the events of one `add`. */
export interface OutboxRow {
  /** Which instance wrote it, and in which place. Never changes, whoever owns the epoch. */
  readonly epoch: number;
  readonly seq: number;
  readonly events: number;
  /** In milliseconds since the epoch. */
  readonly addedAtMs: number;
  /** How large its content is in memory; 0 until it was read. */
  bytes: number;
  /** How many of its events are not published yet. */
  left: number;
  /** How many of those are held back, since the broker refuses them or one of their key before them. */
  refused: number;
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

/** Rows by their place. */
export const rowKey = (row: { readonly epoch: number; readonly seq: number }): string => `${row.epoch}:${row.seq}`;
