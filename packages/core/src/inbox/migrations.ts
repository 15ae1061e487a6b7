import { mysqlTableOptions } from '../sql/mysql-table-options.ts';
import type { Migration } from '../sql/port.ts';

/** The schema of the inbox. */
export const inboxMigrations: readonly Migration[] = [
  {
    name: 'inbox_0001_events',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('inbox')} (
          consumer TEXT NOT NULL,
          event_id TEXT NOT NULL,
          applied_at INTEGER NOT NULL,
          PRIMARY KEY (consumer, event_id)
        ) WITHOUT ROWID`,
      ],
      mysql: (tables) => [
        `CREATE TABLE ${tables('inbox')} (
          consumer VARCHAR(128) NOT NULL,
          event_id VARCHAR(255) NOT NULL,
          applied_at BIGINT NOT NULL,
          PRIMARY KEY (consumer, event_id)
        ) ${mysqlTableOptions}`,
      ],
    },
  },
];
