import type { Migration } from '@paystream/core/sql';

/** The tables of the log sink: entries, how many there are of each kind and event, and how far the sink's file is safe. */
export const logSinkMigrations: readonly Migration[] = [
  {
    name: 'log_0001_entries',
    statements: {
      sqlite: (tables) => [
        // The key comes first in time order (day, then an id that begins with the time), so rows are appended.
        `CREATE TABLE ${tables('log_entries')} (
          event_date INTEGER NOT NULL,
          entry_id TEXT NOT NULL,
          event_time INTEGER NOT NULL,
          kind INTEGER NOT NULL,
          level INTEGER NOT NULL,
          service TEXT NOT NULL,
          event TEXT NOT NULL,
          message TEXT NOT NULL,
          order_id TEXT NOT NULL,
          merchant_id TEXT NOT NULL,
          trace_id TEXT NOT NULL,
          attributes TEXT NOT NULL,
          PRIMARY KEY (event_date, entry_id)
        ) WITHOUT ROWID`,
        `CREATE INDEX ${tables('log_entries_by_order')} ON ${tables('log_entries')} (order_id) WHERE order_id <> ''`,
        `CREATE TABLE ${tables('log_counts')} (
          instance TEXT NOT NULL,
          kind INTEGER NOT NULL,
          event TEXT NOT NULL,
          entries INTEGER NOT NULL,
          PRIMARY KEY (instance, kind, event)
        ) WITHOUT ROWID`,
        `CREATE TABLE ${tables('log_files')} (
          instance TEXT PRIMARY KEY,
          owner TEXT NOT NULL,
          sequence INTEGER NOT NULL,
          size INTEGER NOT NULL
        ) WITHOUT ROWID`,
      ],
    },
  },
];
