import type { AddressedMessage } from '../broker/pack.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database } from '../sql/port.ts';
import { decodeContent } from './content.ts';
import type { OutboxRow } from './row.ts';
import { outboxStatements } from './statements.ts';

/** What the table holds of a row. */
export type StoredRow = { readonly row: OutboxRow } & (
  | { readonly state: 'read'; readonly messages: readonly AddressedMessage[]; readonly bytes: number }
  /** The table does not show it: not any more, or not yet. */
  | { readonly state: 'unseen' }
  | { readonly state: 'unreadable'; readonly error: unknown }
);

/** Reads rows; gives them in the order in which they were asked for. Rejects if the database cannot be asked. */
export type RowReader = (rows: readonly OutboxRow[]) => Promise<readonly StoredRow[]>;

function miscounted(expected: number, found: number): PaystreamError {
  return new PaystreamError('INTERNAL', `a row of the outbox holds ${found} events and says ${expected}`, { reason: 'DAMAGED' });
}

/** Makes what reads the rows of an outbox. */
export function createRowReader(database: Database): RowReader {
  const sql = outboxStatements(database);

  const decode = (row: OutboxRow, content: Uint8Array | undefined): StoredRow => {
    if (content === undefined) return { row, state: 'unseen' };
    try {
      const { messages, bytes } = decodeContent(content);
      if (messages.length !== row.events) throw miscounted(row.events, messages.length);
      return { row, state: 'read', messages, bytes };
    } catch (error) {
      return { row, state: 'unreadable', error };
    }
  };

  return async (rows) => {
    const contents = new Map<OutboxRow, Uint8Array>();
    for (const epoch of new Set(rows.map((row) => row.epoch))) {
      const bySeq = new Map(rows.filter((row) => row.epoch === epoch).map((row) => [row.seq, row]));
      const found = await database.query<{ readonly seq: number; readonly content: Uint8Array }>(sql.read, [epoch, jsonList(bySeq.keys())]);
      for (const { seq, content } of found) {
        const row = bySeq.get(seq);
        if (row !== undefined) contents.set(row, content);
      }
    }
    return rows.map((row) => decode(row, contents.get(row)));
  };
}
