import { type Migration, mysqlTableOptions, type TableNames } from '@paystream/core/sql';

const postings = (tables: TableNames): string => `CREATE VIEW ${tables('ledger_postings')} AS
          SELECT operation_id, order_id, merchant_id, currency, booked_at, 'clearing' AS account, clearing AS units FROM ${tables('ledger_transfers')}
          UNION ALL SELECT operation_id, order_id, merchant_id, currency, booked_at, 'payable', payable FROM ${tables('ledger_transfers')}
          UNION ALL SELECT operation_id, order_id, merchant_id, currency, booked_at, 'fees', fees FROM ${tables('ledger_transfers')}`;

/** The tables of the ledger. */
export const walletMigrations: readonly Migration[] = [
  {
    name: 'wallet_0001_ledger',
    statements: {
      sqlite: (tables) => [
        // One row a transfer, one column an account of the merchant: three postings, whose sum the table itself keeps at zero.
        `CREATE TABLE ${tables('ledger_transfers')} (
          order_id TEXT NOT NULL,
          operation_id TEXT NOT NULL,
          merchant_id TEXT NOT NULL,
          kind TEXT NOT NULL,
          currency TEXT NOT NULL,
          clearing INTEGER NOT NULL,
          payable INTEGER NOT NULL,
          fees INTEGER NOT NULL,
          booked_at INTEGER NOT NULL,
          PRIMARY KEY (order_id, operation_id),
          CHECK (clearing + payable + fees = 0)
        ) WITHOUT ROWID`,
        `CREATE TABLE ${tables('ledger_balances')} (
          merchant_id TEXT NOT NULL,
          currency TEXT NOT NULL,
          clearing INTEGER NOT NULL,
          payable INTEGER NOT NULL,
          fees INTEGER NOT NULL,
          sales INTEGER NOT NULL,
          version INTEGER NOT NULL,
          updated_at INTEGER NOT NULL,
          PRIMARY KEY (merchant_id, currency),
          CHECK (clearing + payable + fees = 0)
        ) WITHOUT ROWID`,
        // Refunds that came before the sale that they belong to.
        `CREATE TABLE ${tables('ledger_early_refunds')} (
          order_id TEXT NOT NULL,
          operation_id TEXT NOT NULL,
          merchant_id TEXT NOT NULL,
          currency TEXT NOT NULL,
          units INTEGER NOT NULL,
          received_at INTEGER NOT NULL,
          PRIMARY KEY (order_id, operation_id)
        ) WITHOUT ROWID`,
        postings(tables),
      ],
      mysql: (tables) => [
        `CREATE TABLE ${tables('ledger_transfers')} (
          order_id VARCHAR(64) NOT NULL,
          operation_id VARCHAR(255) NOT NULL,
          merchant_id VARCHAR(64) NOT NULL,
          kind VARCHAR(16) NOT NULL,
          currency VARCHAR(3) NOT NULL,
          clearing BIGINT NOT NULL,
          payable BIGINT NOT NULL,
          fees BIGINT NOT NULL,
          booked_at BIGINT NOT NULL,
          PRIMARY KEY (order_id, operation_id),
          CHECK (clearing + payable + fees = 0)
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('ledger_balances')} (
          merchant_id VARCHAR(64) NOT NULL,
          currency VARCHAR(3) NOT NULL,
          clearing BIGINT NOT NULL,
          payable BIGINT NOT NULL,
          fees BIGINT NOT NULL,
          sales BIGINT NOT NULL,
          version BIGINT NOT NULL,
          updated_at BIGINT NOT NULL,
          PRIMARY KEY (merchant_id, currency),
          CHECK (clearing + payable + fees = 0)
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('ledger_early_refunds')} (
          order_id VARCHAR(64) NOT NULL,
          operation_id VARCHAR(255) NOT NULL,
          merchant_id VARCHAR(64) NOT NULL,
          currency VARCHAR(3) NOT NULL,
          units BIGINT NOT NULL,
          received_at BIGINT NOT NULL,
          PRIMARY KEY (order_id, operation_id)
        ) ${mysqlTableOptions}`,
        postings(tables),
      ],
    },
  },
];
