import type { Clock } from '@paystream/core';
import type { Database } from '@paystream/core/sql';
import { eventDateOf } from './event-date.ts';

/** The days of `log_entries` where each has a partition of its own. */
export interface Partitions {
  /** Makes those of the coming 30 days when fewer than 7 are left. What comes for days beyond, or if this cannot be done, goes to the partition `later`. */
  prepare(): Promise<void>;
  /** Drops those of which all days lie before a date: at once, whatever they hold. */
  dropBefore(date: number): Promise<void>;
}

interface PartitionRow {
  readonly name: string | null;
  /** Its days lie before this date. */
  readonly bound: string | null;
}

interface Day {
  readonly name: string;
  readonly bound: number;
}

const dayMs = 86_400_000;
/** Seldom, and many at a time: whatever reads the whole table meanwhile, as a backup does, is cut off by a change of it. */
const daysAhead = 30;
const fewestAhead = 7;
const catchAll = 'later';

const listing = `SELECT PARTITION_NAME AS name, PARTITION_DESCRIPTION AS bound FROM information_schema.PARTITIONS
  WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY PARTITION_ORDINAL_POSITION`;

/** Makes what looks after the partitions; `undefined` for a database that has none. */
export function createPartitions(database: Database, clock: Clock): Partitions | undefined {
  if (database.dialect.name !== 'mysql') return undefined;
  const table = database.tables('log_entries');
  const alter = `ALTER TABLE ${table}`;

  const days = async (): Promise<readonly Day[]> => {
    const rows = await database.query<PartitionRow>(listing, [table]);
    return rows.flatMap(({ name, bound }) =>
      name === null || bound === null || name === catchAll ? [] : [{ name, bound: Number(bound) }],
    );
  };

  /** Several sinks do the same at the same time: only one can, and the others look whether it is done. */
  const change = async (sql: string, isDone: () => Promise<boolean>): Promise<void> => {
    try {
      await database.transaction((tx) => tx.execute(sql));
    } catch (error) {
      if (!(await isDone())) throw error;
    }
  };

  const missing = async (): Promise<readonly Day[]> => {
    const now = clock.now();
    const last = (await days()).at(-1)?.bound ?? 0;
    if (last >= eventDateOf(now + (fewestAhead + 1) * dayMs)) return [];
    const wanted: Day[] = [];
    for (let day = -1; day <= daysAhead; day++) {
      const bound = eventDateOf(now + (day + 1) * dayMs);
      if (bound > last) wanted.push({ name: `d${eventDateOf(now + day * dayMs)}`, bound });
    }
    return wanted;
  };

  return {
    prepare: async () => {
      const wanted = await missing();
      if (wanted.length === 0) return;
      const parts = wanted.map(({ name, bound }) => `PARTITION ${name} VALUES LESS THAN (${bound})`);
      const sql = `${alter} REORGANIZE PARTITION ${catchAll} INTO (${parts.join(', ')}, PARTITION ${catchAll} VALUES LESS THAN MAXVALUE)`;
      await change(sql, async () => (await missing()).length === 0);
    },
    dropBefore: async (date) => {
      const over = async (): Promise<readonly Day[]> => (await days()).filter(({ bound }) => bound <= date);
      const names = (await over()).map(({ name }) => name);
      if (names.length > 0) await change(`${alter} DROP PARTITION ${names.join(', ')}`, async () => (await over()).length === 0);
    },
  };
}
