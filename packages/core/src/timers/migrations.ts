import { mysqlTableOptions } from '../sql/mysql-table-options.ts';
import type { Migration } from '../sql/port.ts';

/** The schema of timers. */
export const timerMigrations: readonly Migration[] = [
  {
    name: 'timers_0001_timers',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('timers')} (
          kind TEXT NOT NULL,
          id TEXT NOT NULL,
          due_at INTEGER NOT NULL,
          next_call_at INTEGER NOT NULL,
          payload TEXT NOT NULL,
          PRIMARY KEY (kind, id)
        ) WITHOUT ROWID`,
        `CREATE INDEX ${tables('timers_by_next_call')} ON ${tables('timers')} (kind, next_call_at)`,
      ],
      mysql: (tables) => [
        `CREATE TABLE ${tables('timers')} (
          kind VARCHAR(128) NOT NULL,
          id VARCHAR(255) NOT NULL,
          due_at BIGINT NOT NULL,
          next_call_at BIGINT NOT NULL,
          payload TEXT NOT NULL,
          PRIMARY KEY (kind, id),
          INDEX ${tables('timers_by_next_call')} (kind, next_call_at)
        ) ${mysqlTableOptions}`,
      ],
    },
  },
];
