import type { Migration } from '@paystream/core/sql';

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
    },
  },
];
