import type { Delivery } from '@paystream/core';
import type { LogEntry } from '@paystream/core/contracts';
import { type Database, defineStatements, type SqlValue, type Transaction } from '@paystream/core/sql';
import type { CommittedFile } from './committed-file.ts';
import { type EntryRow, entryColumns, entryRow, lineOf, pushValues } from './entry-row.ts';
import { createLineBuffer } from './line-buffer.ts';

/** Stores entries: each once, however often it comes. */
export interface EntryStore {
  /** Stores a batch in the table, the counts and the file, all or nothing. Returns how many entries were new. */
  store(batch: readonly Delivery<LogEntry>[]): Promise<number>;
}

const rowsPerStatement = 50;
const oneRow = `(${entryColumns.map(() => '?').join(', ')})`;
const manyRows = Array.from({ length: rowsPerStatement }, () => oneRow).join(', ');

const statements = defineStatements(({ tables, dialect }) => ({
  insert: dialect.insertOrIgnore(tables('log_entries'), entryColumns),
  insertMany: dialect.insertOrIgnore(tables('log_entries'), entryColumns).replace(oneRow, manyRows),
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

function valuesOf(row: EntryRow): SqlValue[] {
  const values: SqlValue[] = [];
  pushValues(values, row);
  return values;
}

/** Thrown to take back a transaction in which some entry was there before. */
const seenBefore = Symbol('seen before');

/** Makes the store of one sink instance. Not to be called twice at once: the file has one end. */
export function createEntryStore(database: Database, instance: string, file: CommittedFile | undefined): EntryStore {
  const sql = statements(database);
  const lines = createLineBuffer();
  // Entries come again in runs, after a crash: it does not pay then to expect new ones only.
  let carefulBatches = 0;

  /** Faster by half, but tells only how many rows were new. */
  const insertAllNew = async (tx: Transaction, rows: readonly EntryRow[]): Promise<void> => {
    let done = 0;
    for (; done + rowsPerStatement <= rows.length; done += rowsPerStatement) {
      const values: SqlValue[] = [];
      for (let index = done; index < done + rowsPerStatement; index++) pushValues(values, rows[index] as EntryRow);
      const { affected } = await tx.execute(sql.insertMany, values);
      if (affected !== rowsPerStatement) throw seenBefore;
    }
    const rest = rows.slice(done).map(valuesOf);
    const { affected } = await tx.executeMany(sql.insert, rest);
    if (affected.includes(0)) throw seenBefore;
  };

  const insertNewOnes = async (tx: Transaction, rows: readonly EntryRow[]): Promise<readonly EntryRow[]> => {
    const { affected } = await tx.executeMany(sql.insert, rows.map(valuesOf));
    return rows.filter((_, index) => affected[index] === 1);
  };

  const finish = async (tx: Transaction, fresh: readonly EntryRow[]): Promise<number> => {
    if (fresh.length === 0) return 0;
    await tx.executeMany(sql.count, countsOf(instance, fresh));
    if (file === undefined) return fresh.length;
    for (const row of fresh) lines.add(lineOf(row));
    await file.append(tx, lines.take());
    return fresh.length;
  };

  const storeRows = async (rows: readonly EntryRow[]): Promise<number> => {
    if (carefulBatches === 0) {
      try {
        return await database.transaction(async (tx) => {
          await insertAllNew(tx, rows);
          return finish(tx, rows);
        });
      } catch (error) {
        if (error !== seenBefore) throw error;
        carefulBatches = 16;
      }
    }
    carefulBatches -= 1;
    return database.transaction(async (tx) => finish(tx, await insertNewOnes(tx, rows)));
  };

  return {
    store: async (batch) => {
      const rows = batch.map(entryRow);
      await file?.ready();
      try {
        const fresh = await storeRows(rows);
        file?.tidy();
        return fresh;
      } catch (error) {
        file?.doubt();
        throw error;
      }
    },
  };
}
