import { type Migration, mysqlTableOptions, type TableNames } from '@paystream/core/sql';

const countFromEntries = (tables: TableNames, event: string): string =>
  `INSERT INTO ${tables('log_day_counts')} (event_date, instance, kind, event, entries)
   SELECT event_date, '', kind, ${event}, COUNT(*) FROM ${tables('log_entries')} GROUP BY event_date, kind, ${event}`;

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
      mysql: (tables) => [
        // Nothing is known of the length of what others wrote; only what keys are made of is bounded.
        `CREATE TABLE ${tables('log_entries')} (
          event_date INT NOT NULL,
          entry_id VARCHAR(255) NOT NULL,
          event_time BIGINT NOT NULL,
          kind INT NOT NULL,
          level INT NOT NULL,
          service MEDIUMTEXT NOT NULL,
          event MEDIUMTEXT NOT NULL,
          message LONGTEXT NOT NULL,
          order_id MEDIUMTEXT NOT NULL,
          merchant_id MEDIUMTEXT NOT NULL,
          trace_id MEDIUMTEXT NOT NULL,
          attributes LONGTEXT NOT NULL,
          PRIMARY KEY (event_date, entry_id),
          INDEX ${tables('log_entries_by_order')} (order_id(64))
        ) ${mysqlTableOptions}
        PARTITION BY RANGE (event_date) (PARTITION later VALUES LESS THAN MAXVALUE)`,
        `CREATE TABLE ${tables('log_counts')} (
          instance VARCHAR(128) NOT NULL,
          kind INT NOT NULL,
          event VARCHAR(255) NOT NULL,
          entries BIGINT NOT NULL,
          PRIMARY KEY (instance, kind, event)
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('log_files')} (
          instance VARCHAR(128) NOT NULL PRIMARY KEY,
          owner VARCHAR(64) NOT NULL,
          sequence BIGINT NOT NULL,
          size BIGINT NOT NULL
        ) ${mysqlTableOptions}`,
      ],
    },
  },
  {
    // Counts by day end with their day, however its entries are removed.
    name: 'log_0002_day_counts',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('log_day_counts')} (
          event_date INTEGER NOT NULL,
          instance TEXT NOT NULL,
          kind INTEGER NOT NULL,
          event TEXT NOT NULL,
          entries INTEGER NOT NULL,
          PRIMARY KEY (event_date, instance, kind, event)
        ) WITHOUT ROWID`,
        countFromEntries(tables, 'event'),
        `DROP TABLE ${tables('log_counts')}`,
      ],
      mysql: (tables) => [
        `CREATE TABLE ${tables('log_day_counts')} (
          event_date INT NOT NULL,
          instance VARCHAR(128) NOT NULL,
          kind INT NOT NULL,
          event VARCHAR(255) NOT NULL,
          entries BIGINT NOT NULL,
          PRIMARY KEY (event_date, instance, kind, event)
        ) ${mysqlTableOptions}`,
        countFromEntries(tables, 'LEFT(event, 255)'),
        `DROP TABLE ${tables('log_counts')}`,
      ],
    },
  },
];
