import type { Migration } from '@paystream/core/sql';

/** The tables of the simulated gateway's book, in a file of its own. */
export const bookMigrations: readonly Migration[] = [
  {
    name: 'gateway_0001_book',
    statements: {
      sqlite: (tables) => [
        // One row for each time that money moved, or was refused: a second charge for a payment is a second row.
        `CREATE TABLE ${tables('charges')} (
          idempotency_key TEXT NOT NULL,
          nth INTEGER NOT NULL,
          payment_id TEXT NOT NULL,
          payment_method TEXT NOT NULL,
          currency TEXT NOT NULL,
          units INTEGER NOT NULL,
          state TEXT NOT NULL,
          code TEXT NOT NULL,
          retry TEXT NOT NULL,
          refunded_units INTEGER NOT NULL,
          created_at INTEGER NOT NULL,
          PRIMARY KEY (idempotency_key, nth)
        ) WITHOUT ROWID`,
        `CREATE TABLE ${tables('refunds')} (
          idempotency_key TEXT NOT NULL PRIMARY KEY,
          charge_key TEXT NOT NULL,
          nth INTEGER NOT NULL,
          units INTEGER NOT NULL,
          created_at INTEGER NOT NULL
        ) WITHOUT ROWID`,
        `CREATE TABLE ${tables('seen')} (subject TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID`,
      ],
    },
  },
];
