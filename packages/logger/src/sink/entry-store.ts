import type { Delivery } from '@paystream/core';
import type { LogEntry } from '@paystream/core/contracts';
import { type Database, defineStatements, type SqlValue, type Transaction } from '@paystream/core/sql';
import type { CommittedFile } from './committed-file.ts';
import { type EntryRow, entryColumns, entryRow, lineOf } from './entry-row.ts';

/** Stores entries: each once, however often it comes. */
export interface EntryStore {
  /** Stores a batch in the table, the counts and the file, all or nothing. Returns how many entries were new. */
  store(batch: readonly Delivery<LogEntry>[]): Promise<number>;
}

const statements = defineStatements(({ tables, dialect }) => ({
  insert: dialect.insertOrIgnore(tables('log_entries'), entryColumns),
  count: dialect.upsert(
    tables('log_counts'),
    ['instance', 'kind', 'event', 'entries'],
    ['instance', 'kind', 'event'],
    (excluded) => `entries = ${tables('log_counts')}.entries + ${excluded('entries')}`,
  ),
}));

/** How many rows there are of each kind and event, as parameters of the `count` statement, in a fixed order so that no two transactions wait for each other. */
function countsOf(instance: string, rows: readonly EntryRow[]): SqlValue[][] {
  const counts = new Map<string, [kind: number, event: string, entries: number]>();
  for (const { kind, event } of rows) {
    const key = `${kind} ${event}`;
    const count = counts.get(key);
    if (count === undefined) counts.set(key, [kind, event, 1]);
    else count[2] += 1;
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, count]) => [instance, ...count]);
}

/** Makes the store of one sink instance. Not to be called twice at once: the file has one end. */
export function createEntryStore(database: Database, instance: string, file: CommittedFile | undefined): EntryStore {
  const sql = statements(database);

  const work = async (tx: Transaction, rows: readonly EntryRow[]): Promise<number> => {
    const values = rows.map((row) => row.values);
    const { affected } = await tx.executeMany(sql.insert, values);
    const fresh = rows.filter((_, index) => affected[index] === 1);
    if (fresh.length === 0) return 0;
    await tx.executeMany(sql.count, countsOf(instance, fresh));
    if (file !== undefined) await file.append(tx, Buffer.from(fresh.map(lineOf).join('')));
    return fresh.length;
  };

  return {
    store: async (batch) => {
      const rows = batch.map(entryRow);
      await file?.ready();
      try {
        const fresh = await database.transaction((tx) => work(tx, rows));
        file?.tidy();
        return fresh;
      } catch (error) {
        file?.doubt();
        throw error;
      }
    },
  };
}
