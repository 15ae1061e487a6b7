import { Line } from './line.ts';
import type { RowReader, StoredRow } from './reader.ts';
import type { OutboxRow } from './row.ts';

/** Rows that wait in the table, in the order in which they are to be published. Memory holds their places only. */
export interface Backlog {
  readonly size: number;
  /** Whether a page is being read. */
  readonly loading: boolean;
  add(row: OutboxRow): void;
  /** Reads the next rows. Rejects if they cannot be read; they are the next ones again then. */
  next(): Promise<readonly StoredRow[]>;
  clear(): void;
}

const maxRows = 64;
const maxEvents = 4_096;

/** Makes the backlog of an outbox. */
export function createBacklog(read: RowReader): Backlog {
  const rows = new Line<OutboxRow>();
  let generation = 0;
  let loading = false;

  return {
    get size() {
      return rows.size;
    },
    get loading() {
      return loading;
    },
    add: (row) => rows.push(row),
    next: async () => {
      const asked = generation;
      let events = 0;
      let count = 0;
      const first = rows.first(maxRows);
      for (const row of first) {
        if (events >= maxEvents) break;
        events += row.events;
        count += 1;
      }
      loading = true;
      try {
        const page = await read(first.slice(0, count));
        if (asked === generation) rows.drop(count);
        return page;
      } finally {
        if (asked === generation) loading = false;
      }
    },
    clear: () => {
      rows.clear();
      generation += 1;
      loading = false;
    },
  };
}
