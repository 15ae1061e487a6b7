import { type Migration, mysqlTableOptions } from '@paystream/core/sql';

/** The tables of the order service: `orders`. */
export const orderMigrations: readonly Migration[] = [
  {
    name: 'order_0001_orders',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('orders')} (
          order_id TEXT NOT NULL PRIMARY KEY,
          merchant_id TEXT NOT NULL,
          request_id TEXT NOT NULL,
          fingerprint BLOB NOT NULL,
          state INTEGER NOT NULL,
          version INTEGER NOT NULL,
          payment_version INTEGER NOT NULL,
          currency TEXT NOT NULL,
          total INTEGER NOT NULL,
          refunded INTEGER NOT NULL,
          reason TEXT NOT NULL,
          gateway_charge_id TEXT NOT NULL,
          create_ms INTEGER NOT NULL,
          update_ms INTEGER NOT NULL,
          terms BLOB NOT NULL
        )`,
        `CREATE UNIQUE INDEX ${tables('orders_request')} ON ${tables('orders')} (merchant_id, request_id)`,
        `CREATE INDEX ${tables('orders_list')} ON ${tables('orders')} (merchant_id, order_id)`,
      ],
      // What has no bound of its own, such as what a gateway gives as a reason, is TEXT: it must never keep news from being stored.
      mysql: (tables) => [
        `CREATE TABLE ${tables('orders')} (
          order_id VARCHAR(64) NOT NULL PRIMARY KEY,
          merchant_id VARCHAR(64) NOT NULL,
          request_id VARCHAR(128) NOT NULL,
          fingerprint VARBINARY(64) NOT NULL,
          state INT NOT NULL,
          version BIGINT NOT NULL,
          payment_version BIGINT NOT NULL,
          currency VARCHAR(3) NOT NULL,
          total BIGINT NOT NULL,
          refunded BIGINT NOT NULL,
          reason TEXT NOT NULL,
          gateway_charge_id TEXT NOT NULL,
          create_ms BIGINT NOT NULL,
          update_ms BIGINT NOT NULL,
          terms MEDIUMBLOB NOT NULL,
          UNIQUE INDEX ${tables('orders_request')} (merchant_id, request_id),
          INDEX ${tables('orders_list')} (merchant_id, order_id)
        ) ${mysqlTableOptions}`,
      ],
    },
  },
];
