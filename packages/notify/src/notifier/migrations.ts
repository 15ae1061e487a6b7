import { type Migration, mysqlTableOptions } from '@paystream/core/sql';

/** The tables of the notifier: deliveries, how many ended how, and which instances are alive. */
export const notifierMigrations: readonly Migration[] = [
  {
    name: 'notify_0001_deliveries',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('notify_deliveries')} (
          seq INTEGER PRIMARY KEY,
          delivery_id TEXT NOT NULL UNIQUE,
          event_id TEXT NOT NULL,
          channel TEXT NOT NULL,
          recipient TEXT NOT NULL,
          order_id TEXT NOT NULL,
          merchant_id TEXT NOT NULL,
          message TEXT NOT NULL,
          at_most_once INTEGER NOT NULL,
          state INTEGER NOT NULL,
          tries INTEGER NOT NULL,
          sending INTEGER NOT NULL,
          detail TEXT NOT NULL,
          owner TEXT NOT NULL,
          due_at INTEGER NOT NULL,
          created_at INTEGER NOT NULL,
          updated_at INTEGER NOT NULL
        )`,
        // Only what is still to be done is in it, so it stays small whatever the table holds.
        `CREATE INDEX ${tables('notify_deliveries_pending')} ON ${tables('notify_deliveries')} (channel, owner, due_at) WHERE state = 1`,
        `CREATE TABLE ${tables('notify_counts')} (
          instance TEXT NOT NULL,
          channel TEXT NOT NULL,
          state INTEGER NOT NULL,
          deliveries INTEGER NOT NULL,
          PRIMARY KEY (instance, channel, state)
        ) WITHOUT ROWID`,
        `CREATE TABLE ${tables('notify_owners')} (
          owner TEXT PRIMARY KEY,
          lease_until INTEGER NOT NULL
        ) WITHOUT ROWID`,
      ],
      mysql: (tables) => [
        // What rules and events bring may be of any length; only what keys are made of is bounded.
        `CREATE TABLE ${tables('notify_deliveries')} (
          seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
          delivery_id VARCHAR(400) NOT NULL,
          event_id MEDIUMTEXT NOT NULL,
          channel VARCHAR(128) NOT NULL,
          recipient MEDIUMTEXT NOT NULL,
          order_id MEDIUMTEXT NOT NULL,
          merchant_id MEDIUMTEXT NOT NULL,
          message LONGTEXT NOT NULL,
          at_most_once TINYINT NOT NULL,
          state TINYINT NOT NULL,
          tries INT NOT NULL,
          sending TINYINT NOT NULL,
          detail TEXT NOT NULL,
          owner VARCHAR(64) NOT NULL,
          due_at BIGINT NOT NULL,
          created_at BIGINT NOT NULL,
          updated_at BIGINT NOT NULL,
          UNIQUE INDEX ${tables('notify_deliveries_by_id')} (delivery_id),
          INDEX ${tables('notify_deliveries_pending')} (state, channel, owner, due_at)
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('notify_counts')} (
          instance VARCHAR(128) NOT NULL,
          channel VARCHAR(128) NOT NULL,
          state TINYINT NOT NULL,
          deliveries BIGINT NOT NULL,
          PRIMARY KEY (instance, channel, state)
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('notify_owners')} (
          owner VARCHAR(64) NOT NULL PRIMARY KEY,
          lease_until BIGINT NOT NULL
        ) ${mysqlTableOptions}`,
      ],
    },
  },
  {
    name: 'notify_0002_traces',
    // Behind the last column and without a value, so that no row is written; what others leave out is NULL.
    statements: {
      sqlite: (tables) => [`ALTER TABLE ${tables('notify_deliveries')} ADD COLUMN traceparent TEXT`],
      mysql: (tables) => [`ALTER TABLE ${tables('notify_deliveries')} ADD COLUMN traceparent VARCHAR(55)`],
    },
  },
];
