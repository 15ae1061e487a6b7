import { mysqlTableOptions } from '../sql/mysql-table-options.ts';
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
      mysql: (tables) => [
        `CREATE TABLE ${tables('outbox')} (
          epoch BIGINT NOT NULL,
          seq BIGINT NOT NULL,
          added_at BIGINT NOT NULL,
          events INT NOT NULL,
          content LONGBLOB NOT NULL,
          PRIMARY KEY (epoch, seq)
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('outbox_epochs')} (
          epoch BIGINT NOT NULL PRIMARY KEY,
          owner BIGINT NOT NULL,
          lease_until BIGINT NOT NULL
        ) ${mysqlTableOptions}`,
      ],
    },
  },
];
