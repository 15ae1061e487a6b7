import type { SqliteConnection } from '../sqlite/open.ts';
import type { Entry } from './entry.ts';
import { packEntry, unpackEntry } from './entry-codec.ts';
import { packRanges, unpackRanges } from './range-codec.ts';
import { prepareSchema } from './sqlite-schema.ts';
import type { CursorRow, EntryStore, StoredState } from './store.ts';

const maxRowsPerRead = 256;

interface HeaderRow {
  readonly first: number;
  readonly count: number;
  readonly time_ms: number;
}

/** Keeps the log in a SQLite file: messages that were committed together are one row. Closes the connection, also if the file is none of its. */
export function createSqliteStore(connection: SqliteConnection): EntryStore {
  try {
    prepareSchema(connection);
  } catch (error) {
    connection.close();
    throw error;
  }
  const sql = (text: string): ReturnType<typeof connection.statement> => connection.statement(text);
  const begin = sql('BEGIN IMMEDIATE');
  const commit = sql('COMMIT');
  const rollback = sql('ROLLBACK');
  const insertTopic = sql('INSERT INTO topics (id, name, tail) VALUES (?, ?, 0)');
  const insertEntry = sql('INSERT INTO entries (topic, first, count, time_ms, data) VALUES (?, ?, ?, ?, ?)');
  const deleteCursor = sql('DELETE FROM cursors WHERE topic = ? AND subscription = ?');
  const upsertCursor = sql(
    'INSERT INTO cursors (topic, subscription, position, ranges) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET position = excluded.position, ranges = excluded.ranges',
  );
  const holding = '(SELECT max(first) FROM entries WHERE topic = ? AND first <= ?)';
  const sizes = sql(
    `SELECT length(data) AS bytes FROM entries WHERE topic = ? AND first >= coalesce(${holding}, 0) ORDER BY first LIMIT ${maxRowsPerRead}`,
  );
  const read = sql(
    `SELECT first, count, time_ms, data FROM entries WHERE topic = ? AND first >= coalesce(${holding}, 0) ORDER BY first LIMIT ?`,
  );
  const oldest = sql('SELECT first, count, time_ms FROM entries WHERE topic = ? ORDER BY first LIMIT ?');
  const newest = sql('SELECT first, count, time_ms FROM entries WHERE topic = ? ORDER BY first DESC LIMIT 1');
  const since = sql('SELECT first FROM entries WHERE topic = ? AND time_ms >= ? ORDER BY first LIMIT 1');
  const setTail = sql('UPDATE topics SET tail = ? WHERE id = ?');
  const deleteEntries = sql('DELETE FROM entries WHERE topic = ? AND first < ?');
  const touch = sql("INSERT INTO meta (name, value) VALUES ('probe', 1) ON CONFLICT DO UPDATE SET value = value + 1");

  const atomically = (work: () => void): void => {
    begin.run([]);
    try {
      work();
      commit.run([]);
    } catch (error) {
      // SQLite ends the transaction by itself when the disk fails.
      if (connection.inTransaction) rollback.run([]);
      throw error;
    }
  };

  const load = (): StoredState => {
    const topics = sql('SELECT id, name, tail FROM topics').all<{ id: number; name: string; tail: number }>([]);
    return {
      topics: topics.map(({ id, name, tail }) => {
        const head = oldest.all<HeaderRow>([id, 1])[0];
        const last = newest.all<HeaderRow>([id])[0];
        const end = Math.max(tail, last === undefined ? 0 : last.first + last.count);
        return { id, name, first: head?.first ?? end, tail: end, lastTimeMs: last?.time_ms ?? 0 };
      }),
      cursors: sql('SELECT topic AS topicId, subscription, position, ranges FROM cursors')
        .all<Omit<CursorRow, 'ranges'> & { ranges: Uint8Array | null }>([])
        .map((row) => ({ ...row, ranges: row.ranges === null ? [] : unpackRanges(row.ranges) })),
    };
  };

  return {
    durable: true,
    load,
    commit: (changes) => {
      // Packed before the transaction begins: what fails here has touched nothing.
      const rows = changes.entries.map(({ topicId, entry }) => [
        topicId,
        entry.first,
        entry.end - entry.first,
        entry.timeMs,
        packEntry(entry),
      ]);
      atomically(() => {
        for (const { id, name } of changes.topics) insertTopic.run([id, name]);
        for (const row of rows) insertEntry.run(row);
        for (const { topicId, subscription } of changes.removedCursors) deleteCursor.run([topicId, subscription]);
        for (const { topicId, subscription, position, ranges } of changes.cursors) {
          upsertCursor.run([topicId, subscription, position, ranges.length === 0 ? null : packRanges(ranges)]);
        }
      });
    },
    synced: () => connection.synced(),
    read: (topicId, sequence, maxBytes) => {
      let rows = 0;
      let total = 0;
      for (const { bytes } of sizes.all<{ bytes: number }>([topicId, topicId, sequence])) {
        if (rows > 0 && total + bytes > maxBytes) break;
        rows += 1;
        total += bytes;
      }
      if (rows === 0) return [];
      return read
        .all<HeaderRow & { readonly data: Uint8Array }>([topicId, topicId, sequence, rows])
        .map((row): Entry => unpackEntry(row.first, row.count, row.time_ms, row.data));
    },
    oldest: (topicId, limit) =>
      oldest.all<HeaderRow>([topicId, limit]).map(({ first, count, time_ms }) => ({ first, end: first + count, timeMs: time_ms })),
    firstSince: (topicId, timeMs) => since.all<{ first: number }>([topicId, Math.ceil(timeMs)])[0]?.first,
    trim: (trims) =>
      atomically(() => {
        for (const { topicId, before, tail } of trims) {
          // Without entries nothing else would tell where the topic goes on.
          setTail.run([tail, topicId]);
          deleteEntries.run([topicId, before]);
        }
      }),
    probe: () => atomically(() => touch.run([])),
    close: () => connection.close(),
  };
}
