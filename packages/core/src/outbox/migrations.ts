import type { Migration } from '../sql/port.ts';

/** The schema of the outbox. */
export const outboxMigrations: readonly Migration[] = [
  {
    name: 'outbox_0001_outbox',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('outbox')} (
          epoch INTEGER NOT NULL,
          seq INTEGER NOT NULL,
          added_at INTEGER NOT NULL,
          events INTEGER NOT NULL,
          content BLOB NOT NULL,
          PRIMARY KEY (epoch, seq)
        ) WITHOUT ROWID`,
        `CREATE TABLE ${tables('outbox_epochs')} (
          epoch INTEGER NOT NULL PRIMARY KEY,
          owner INTEGER NOT NULL,
          lease_until INTEGER NOT NULL
        )`,
      ],
    },
  },
];
