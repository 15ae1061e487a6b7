import { jsonList } from '../sql/json-list.ts';
import type { Database } from '../sql/port.ts';
import type { OutboxRow } from './row.ts';
import { outboxStatements } from './statements.ts';

/** A row with what it holds; without, if the table does not show it: not any more, or not yet. */
export interface BacklogPage {
  readonly row: OutboxRow;
  readonly content: Uint8Array | undefined;
}

/** Rows that wait in the table, in the order in which they are to be published. Memory holds their places only. */
export interface Backlog {
  readonly size: number;
  /** Whether a page is being read. */
  readonly loading: boolean;
  add(row: OutboxRow): void;
  /** Reads the next rows. Rejects if they cannot be read; they are the next ones again then. */
  next(): Promise<readonly BacklogPage[]>;
  clear(): void;
}

const maxRows = 64;
const maxEvents = 4_096;

/** Makes the backlog of an outbox. */
export function createBacklog(database: Database): Backlog {
  const sql = outboxStatements(database);
  let rows: OutboxRow[] = [];
  let generation = 0;
  let loading = false;

  const read = async (page: readonly OutboxRow[]): Promise<readonly BacklogPage[]> => {
    const contents = new Map<OutboxRow, Uint8Array>();
    for (const epoch of new Set(page.map((row) => row.epoch))) {
      const bySeq = new Map(page.filter((row) => row.epoch === epoch).map((row) => [row.seq, row]));
      const found = await database.query<{ readonly seq: number; readonly content: Uint8Array }>(sql.read, [epoch, jsonList(bySeq.keys())]);
      for (const { seq, content } of found) {
        const row = bySeq.get(seq);
        if (row !== undefined) contents.set(row, content);
      }
    }
    return page.map((row) => ({ row, content: contents.get(row) }));
  };

  return {
    get size() {
      return rows.length;
    },
    get loading() {
      return loading;
    },
    add: (row) => rows.push(row),
    next: async () => {
      const asked = generation;
      let events = 0;
      let count = 0;
      for (const row of rows) {
        if (count === maxRows || events >= maxEvents) break;
        events += row.events;
        count += 1;
      }
      loading = true;
      try {
        const page = await read(rows.slice(0, count));
        if (asked === generation) rows = rows.slice(count);
        return page;
      } finally {
        if (asked === generation) loading = false;
      }
    },
    clear: () => {
      rows = [];
      generation += 1;
      loading = false;
    },
  };
}
