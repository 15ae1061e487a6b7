import type { Migration } from '@paystream/core/sql';

/** The tables of the payment processor. */
export const paymentMigrations: readonly Migration[] = [
  {
    name: 'payment_0001_payments',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('payments')} (
          order_id TEXT NOT NULL PRIMARY KEY,
          merchant_id TEXT NOT NULL,
          customer_id TEXT NOT NULL,
          payment_method TEXT NOT NULL,
          currency TEXT,
          units INTEGER,
          status TEXT NOT NULL,
          version INTEGER NOT NULL,
          reason TEXT NOT NULL,
          cancel_reason TEXT,
          refunded_units INTEGER NOT NULL,
          retry_at INTEGER NOT NULL,
          expires_at INTEGER NOT NULL,
          created_at INTEGER NOT NULL,
          updated_at INTEGER NOT NULL,
          wake_at INTEGER,
          CHECK (refunded_units BETWEEN 0 AND COALESCE(units, 0))
        ) WITHOUT ROWID`,
        `CREATE INDEX ${tables('payments_wake')} ON ${tables('payments')} (wake_at) WHERE wake_at IS NOT NULL`,
        `CREATE TABLE ${tables('payment_attempts')} (
          order_id TEXT NOT NULL,
          number INTEGER NOT NULL,
          gateway_key TEXT NOT NULL,
          status TEXT NOT NULL,
          gateway_id TEXT NOT NULL,
          decline_code TEXT NOT NULL,
          created_at INTEGER NOT NULL,
          updated_at INTEGER NOT NULL,
          unknown_since INTEGER NOT NULL,
          lookups INTEGER NOT NULL,
          next_at INTEGER NOT NULL,
          PRIMARY KEY (order_id, number)
        ) WITHOUT ROWID`,
        `CREATE TABLE ${tables('payment_refunds')} (
          order_id TEXT NOT NULL,
          request_id TEXT NOT NULL,
          gateway_key TEXT NOT NULL,
          status TEXT NOT NULL,
          units INTEGER NOT NULL,
          gateway_id TEXT NOT NULL,
          code TEXT NOT NULL,
          tries INTEGER NOT NULL,
          created_at INTEGER NOT NULL,
          updated_at INTEGER NOT NULL,
          wake_at INTEGER,
          PRIMARY KEY (order_id, request_id)
        ) WITHOUT ROWID`,
        `CREATE INDEX ${tables('payment_refunds_wake')} ON ${tables('payment_refunds')} (wake_at) WHERE wake_at IS NOT NULL`,
      ],
    },
  },
];
