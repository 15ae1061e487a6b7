import type { Delivery } from '@paystream/core';
import type { LogEntry } from '@paystream/core/contracts';
import { type Database, defineStatements, type SqlValue, type Transaction } from '@paystream/core/sql';
import type { BytesAhead, CommittedFile } from './committed-file.ts';
import { countStatements } from './count-statements.ts';
import { type EntryRow, entryColumns, entryRow, lineOf, pushValues } from './entry-row.ts';
import { eventDateOf } from './event-date.ts';
import { keyText } from './key-text.ts';
import { createLineBuffer, type LineBuffer } from './line-buffer.ts';
import { hasChanged } from './log-file.ts';

/** Stores entries: each once, however often it comes. */
export interface EntryStore {
  /**
   * Stores a batch in the table, the counts and the file, all or nothing. Returns how many entries were new. Batches are
   * stored in the order of the calls; while one is committed, the lines of those behind it are on their way to the disk, so
   * the caller bounds how many there are at once.
   */
  store(batch: readonly Delivery<LogEntry>[]): Promise<number>;
}

const rowsPerStatement = 50;
const oneRow = `(${entryColumns.map(() => '?').join(', ')})`;
const manyRows = Array.from({ length: rowsPerStatement }, () => oneRow).join(', ');

const statements = defineStatements(({ tables, dialect }) => ({
  insert: dialect.insertOrIgnore(tables('log_entries'), entryColumns),
  insertMany: dialect.insertOrIgnore(tables('log_entries'), entryColumns).replace(oneRow, manyRows),
}));

/** How many rows there are of each day, kind and event, as parameters of `add`, in a fixed order so that no two transactions wait for each other. */
function countsOf(instance: string, rows: readonly EntryRow[]): SqlValue[][] {
  const counts = new Map<string, [date: number, instance: string, kind: number, event: string, entries: number]>();
  for (const { eventTime, kind, event } of rows) {
    const date = eventDateOf(eventTime);
    const key = `${date} ${kind} ${event}`;
    const count = counts.get(key);
    if (count === undefined) counts.set(key, [date, instance, kind, keyText(event), 1]);
    else count[4] += 1;
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, count]) => count);
}

function valuesOf(row: EntryRow): SqlValue[] {
  const values: SqlValue[] = [];
  pushValues(values, row);
  return values;
}

/** Thrown to take back a transaction in which some entry was there before. */
const seenBefore = Symbol('seen before');

/** A batch on its way. */
interface Call {
  readonly rows: readonly EntryRow[];
  readonly lines: LineBuffer;
  ahead?: BytesAhead;
}

const carefulAfterDuplicates = 16;

/** Makes the store of one sink instance. */
export function createEntryStore(database: Database, instance: string, file: CommittedFile | undefined): EntryStore {
  const sql = { ...statements(database), count: countStatements(database).add };
  // There the driver puts many rows into a statement by itself, and tells which were new.
  const tellsWhich = database.dialect.name === 'mysql';
  const buffers: LineBuffer[] = [];
  const calls: Call[] = [];
  let lastCall: Promise<unknown> = Promise.resolve();
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

  const count = (tx: Transaction, rows: readonly EntryRow[]): Promise<unknown> => tx.executeMany(sql.count, countsOf(instance, rows));

  const linesOf = ({ lines }: Call, rows: readonly EntryRow[]): Uint8Array => {
    for (const row of rows) lines.add(lineOf(row));
    return lines.take();
  };

  /** Sends off the lines of all batches, in their order, unless some may be of entries that are there. */
  const sendAhead = (): void => {
    if (file === undefined || !file.takesAhead || carefulBatches > 0) return;
    for (const call of calls) if (call.ahead === undefined || call.ahead.lost) call.ahead = file.ahead(linesOf(call, call.rows));
  };

  const storeAllNew = async (call: Call): Promise<number> => {
    const { rows, ahead } = call;
    await ahead?.settled;
    if (ahead?.failure !== undefined) throw ahead.failure;
    await database.transaction(async (tx) => {
      await insertAllNew(tx, rows);
      await count(tx, rows);
      await (ahead === undefined ? file?.append(tx, linesOf(call, rows)) : file?.commit(tx, ahead));
    });
    return rows.length;
  };

  const storeNewOnes = (call: Call): Promise<number> =>
    database.transaction(async (tx) => {
      const fresh = await insertNewOnes(tx, call.rows);
      if (fresh.length === 0) return 0;
      await count(tx, fresh);
      await file?.append(tx, linesOf(call, fresh));
      return fresh.length;
    });

  const storeInTurn = async (call: Call): Promise<number> => {
    await file?.ready();
    if (carefulBatches === 0 && !tellsWhich) {
      sendAhead();
      try {
        return await storeAllNew(call);
      } catch (error) {
        if (error !== seenBefore) throw error;
        carefulBatches = carefulAfterDuplicates;
        // The lines of all are cut off again, to be replaced by those of the new entries.
        file?.doubt();
        await file?.ready();
      }
    }
    const fresh = await storeNewOnes(call);
    if (carefulBatches > 0) carefulBatches -= 1;
    return fresh;
  };

  const attempt = async (call: Call): Promise<number> => {
    try {
      return await storeInTurn(call);
    } catch (error) {
      file?.doubt();
      throw error;
    }
  };

  const storeCall = async (call: Call): Promise<number> => {
    try {
      // A file that was changed is put in order, which nobody needs to hear of unless it happens again at once.
      const fresh = await attempt(call).catch((error: unknown) => (hasChanged(error) ? attempt(call) : Promise.reject(error)));
      buffers.push(call.lines);
      file?.tidy();
      return fresh;
    } finally {
      calls.shift();
    }
  };

  return {
    store: (batch) => {
      if (batch.length === 0) return Promise.resolve(0);
      const call: Call = { rows: batch.map(entryRow), lines: buffers.pop() ?? createLineBuffer() };
      calls.push(call);
      sendAhead();
      const result = lastCall.then(() => storeCall(call));
      lastCall = result.then(
        () => undefined,
        () => undefined,
      );
      return result;
    },
  };
}
