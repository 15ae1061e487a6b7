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
    },
  },
];
