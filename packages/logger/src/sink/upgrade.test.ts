import type { Database, SqlRow, SqlValue } from '@paystream/core/sql';
import { createTestWorld } from '@paystream/core/testing';
import { expect, it } from 'vitest';
import { createLogSink } from './log-sink.ts';
import { logSinkMigrations } from './migrations.ts';
import { ids, inTable, publish } from './test-support.ts';

async function insert(database: Database, table: string, row: SqlRow): Promise<void> {
  const columns = Object.keys(row);
  const sql = `INSERT INTO ${database.tables(table)} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
  await database.transaction((tx) => tx.execute(sql, Object.values(row) as SqlValue[]));
}

it('keeps the entries of the first schema, counts them, and stores none of them again', async () => {
  await using before = await createTestWorld({ seed: 1 });
  await using after = await createTestWorld({ seed: 2 });
  {
    await using sink = await createLogSink({ ...before, topics: ['order-logs-topic'] });
    await publish(before, ids(0, 40));
    await before.runUntil(() => sink.stored >= 40);
  }
  await after.database.migrate(logSinkMigrations.slice(0, 1));
  const rows = await before.database.query<SqlRow>(`SELECT * FROM ${before.database.tables('log_entries')}`);
  for (const row of rows) await insert(after.database, 'log_entries', row);
  await insert(after.database, 'log_counts', { instance: 'log-sink', kind: 2, event: 'order.placed', entries: 40 });

  await using sink = await createLogSink({ ...after, topics: ['order-logs-topic'] });
  // Ten that are there already, as after a restart, and ten that are new.
  await publish(after, ids(30, 50));
  await after.runUntil(() => sink.stored >= 10);
  await after.advance(1_000);
  expect(await inTable(after.database)).toEqual(ids(0, 50));
  const counted = await after.database.query(`SELECT SUM(entries) AS n FROM ${after.database.tables('log_day_counts')}`);
  expect(counted).toEqual([{ n: 50 }]);
});
