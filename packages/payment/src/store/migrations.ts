import { type Migration, mysqlTableOptions } from '@paystream/core/sql';

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
      // What the gateway says is TEXT: however long it is, it must never keep an outcome from being stored.
      mysql: (tables) => [
        `CREATE TABLE ${tables('payments')} (
          order_id VARCHAR(64) NOT NULL PRIMARY KEY,
          merchant_id VARCHAR(64) NOT NULL,
          customer_id VARCHAR(255) NOT NULL,
          payment_method VARCHAR(255) NOT NULL,
          currency VARCHAR(3),
          units BIGINT,
          status VARCHAR(32) NOT NULL,
          version BIGINT NOT NULL,
          reason TEXT NOT NULL,
          cancel_reason TEXT,
          refunded_units BIGINT NOT NULL,
          retry_at BIGINT NOT NULL,
          expires_at BIGINT NOT NULL,
          created_at BIGINT NOT NULL,
          updated_at BIGINT NOT NULL,
          wake_at BIGINT,
          INDEX ${tables('payments_wake')} (wake_at),
          CHECK (refunded_units BETWEEN 0 AND COALESCE(units, 0))
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('payment_attempts')} (
          order_id VARCHAR(64) NOT NULL,
          number INT NOT NULL,
          gateway_key VARCHAR(255) NOT NULL,
          status VARCHAR(32) NOT NULL,
          gateway_id TEXT NOT NULL,
          decline_code TEXT NOT NULL,
          created_at BIGINT NOT NULL,
          updated_at BIGINT NOT NULL,
          unknown_since BIGINT NOT NULL,
          lookups INT NOT NULL,
          next_at BIGINT NOT NULL,
          PRIMARY KEY (order_id, number)
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('payment_refunds')} (
          order_id VARCHAR(64) NOT NULL,
          request_id VARCHAR(128) NOT NULL,
          gateway_key VARCHAR(255) NOT NULL,
          status VARCHAR(32) NOT NULL,
          units BIGINT NOT NULL,
          gateway_id TEXT NOT NULL,
          code TEXT NOT NULL,
          tries INT NOT NULL,
          created_at BIGINT NOT NULL,
          updated_at BIGINT NOT NULL,
          wake_at BIGINT,
          PRIMARY KEY (order_id, request_id),
          INDEX ${tables('payment_refunds_wake')} (wake_at)
        ) ${mysqlTableOptions}`,
      ],
    },
  },
  {
    name: 'payment_0002_owners',
    statements: {
      sqlite: (tables) => [
        `ALTER TABLE ${tables('payment_attempts')} ADD COLUMN owner TEXT NOT NULL DEFAULT ''`,
        `CREATE TABLE ${tables('payment_processors')} (
          processor TEXT NOT NULL PRIMARY KEY,
          lease_until INTEGER NOT NULL
        ) WITHOUT ROWID`,
      ],
      mysql: (tables) => [
        `ALTER TABLE ${tables('payment_attempts')} ADD COLUMN owner VARCHAR(64) NOT NULL DEFAULT ''`,
        `CREATE TABLE ${tables('payment_processors')} (
          processor VARCHAR(64) NOT NULL PRIMARY KEY,
          lease_until BIGINT NOT NULL
        ) ${mysqlTableOptions}`,
      ],
    },
  },
  {
    name: 'payment_0003_traces',
    // Behind the last column and without a value, so that no row is written; what others leave out is NULL.
    statements: {
      sqlite: (tables) => [
        `ALTER TABLE ${tables('payments')} ADD COLUMN traceparent TEXT`,
        `ALTER TABLE ${tables('payment_refunds')} ADD COLUMN traceparent TEXT`,
      ],
      mysql: (tables) => [
        `ALTER TABLE ${tables('payments')} ADD COLUMN traceparent VARCHAR(55)`,
        `ALTER TABLE ${tables('payment_refunds')} ADD COLUMN traceparent VARCHAR(55)`,
      ],
    },
  },
];
