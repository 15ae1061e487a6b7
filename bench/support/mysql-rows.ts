import type { Delivery } from '@paystream/core';
import { systemClock } from '@paystream/core';
import type { LogEntry } from '@paystream/core/contracts';
import { createMysqlDatabase } from '@paystream/core/mysql';
import type { SqlValue } from '@paystream/core/sql';
import { logSinkMigrations } from '@paystream/logger/sink';
import { createConnection } from 'mysql2/promise';
import { entryColumns, entryRow, pushValues } from '../../packages/logger/src/sink/entry-row.ts';
import { createPartitions } from '../../packages/logger/src/sink/partitions.ts';
import { type Contestant, perSecond } from '../compare.ts';

/** Inserts of received entries by the driver alone. */
export interface MysqlInserts extends AsyncDisposable {
  /** A contestant that inserts so many rows a statement, each statement a commit. */
  insert(name: string, rowsPerStatement: number, batches: () => readonly (readonly Delivery<LogEntry>[])[]): Contestant;
}

/** Opens a connection of the driver to a table of the same columns, keys and partitions as the sink's. */
export async function openMysqlInserts(url: string, tablePrefix: string): Promise<MysqlInserts> {
  const database = createMysqlDatabase({ url, tablePrefix });
  await database.migrate(logSinkMigrations);
  await createPartitions(database, systemClock)?.prepare();
  const table = database.tables('log_entries');
  await database.close();
  const connection = await createConnection({ uri: url, charset: 'utf8mb4' });
  return {
    insert: (name, rowsPerStatement, batches) => ({
      name,
      round: async () => {
        const rows = batches().flatMap((batch) =>
          batch.map((one) => {
            const values: SqlValue[] = [];
            pushValues(values, entryRow(one));
            return values;
          }),
        );
        return perSecond(rows.length, async () => {
          for (let from = 0; from < rows.length; from += rowsPerStatement) {
            await connection.query(`INSERT INTO ${table} (${entryColumns.join(', ')}) VALUES ?`, [
              rows.slice(from, from + rowsPerStatement),
            ]);
          }
        });
      },
    }),
    [Symbol.asyncDispose]: () => connection.end(),
  };
}
