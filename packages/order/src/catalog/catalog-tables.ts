import { type Database, defineStatements, jsonList, type Migration, mysqlTableOptions, type Transaction } from '@paystream/core/sql';
import type { Merchant, Product } from './port.ts';

/** The tables of {@link sqlCatalog}: `merchants` and `products`. */
export const catalogMigrations: readonly Migration[] = [
  {
    name: 'order_catalog_0001_products',
    statements: {
      sqlite: (tables) => [
        `CREATE TABLE ${tables('merchants')} (
          merchant_id TEXT NOT NULL PRIMARY KEY,
          name TEXT NOT NULL,
          email TEXT NOT NULL,
          phone TEXT NOT NULL,
          currency TEXT NOT NULL,
          bank_account_reference TEXT NOT NULL
        ) WITHOUT ROWID`,
        `CREATE TABLE ${tables('products')} (
          merchant_id TEXT NOT NULL,
          product_id TEXT NOT NULL,
          name TEXT NOT NULL,
          currency TEXT NOT NULL,
          unit_price INTEGER NOT NULL,
          PRIMARY KEY (merchant_id, product_id)
        ) WITHOUT ROWID`,
      ],
      mysql: (tables) => [
        `CREATE TABLE ${tables('merchants')} (
          merchant_id VARCHAR(64) NOT NULL PRIMARY KEY,
          name TEXT NOT NULL,
          email TEXT NOT NULL,
          phone TEXT NOT NULL,
          currency VARCHAR(3) NOT NULL,
          bank_account_reference TEXT NOT NULL
        ) ${mysqlTableOptions}`,
        `CREATE TABLE ${tables('products')} (
          merchant_id VARCHAR(64) NOT NULL,
          product_id VARCHAR(64) NOT NULL,
          name TEXT NOT NULL,
          currency VARCHAR(3) NOT NULL,
          unit_price BIGINT NOT NULL,
          PRIMARY KEY (merchant_id, product_id)
        ) ${mysqlTableOptions}`,
      ],
    },
  },
];

const merchantColumns = ['merchant_id', 'name', 'email', 'phone', 'currency', 'bank_account_reference'] as const;
const productColumns = ['merchant_id', 'product_id', 'name', 'currency', 'unit_price'] as const;

const statements = defineStatements(({ tables, dialect }) => ({
  putMerchant: dialect.upsert(tables('merchants'), merchantColumns, ['merchant_id'], (excluded) =>
    merchantColumns
      .slice(1)
      .map((column) => `${column} = ${excluded(column)}`)
      .join(', '),
  ),
  putProduct: dialect.upsert(tables('products'), productColumns, ['merchant_id', 'product_id'], (excluded) =>
    productColumns
      .slice(2)
      .map((column) => `${column} = ${excluded(column)}`)
      .join(', '),
  ),
  addMerchant: dialect.insertOrIgnore(tables('merchants'), merchantColumns),
  addProduct: dialect.insertOrIgnore(tables('products'), productColumns),
  merchants: `SELECT ${merchantColumns.join(', ')} FROM ${tables('merchants')} WHERE merchant_id IN ${dialect.inJson}`,
  products: `SELECT ${productColumns.join(', ')} FROM ${tables('products')} WHERE merchant_id = ? AND product_id IN ${dialect.inJson}`,
  anyMerchant: `SELECT merchant_id FROM ${tables('merchants')} LIMIT 1`,
}));

interface MerchantRow {
  readonly merchant_id: string;
  readonly name: string;
  readonly email: string;
  readonly phone: string;
  readonly currency: string;
  readonly bank_account_reference: string;
}

interface ProductRow {
  readonly product_id: string;
  readonly name: string;
  readonly currency: string;
  readonly unit_price: number | bigint;
}

/** The rows of a catalog. */
export interface CatalogTables {
  /** Inserts or replaces; or leaves those that are there as they are, with `keep`. */
  putMerchants(tx: Transaction, merchants: readonly Merchant[], keep: boolean): Promise<void>;
  /** As `putMerchants`. */
  putProducts(tx: Transaction, merchantId: string, products: readonly Product[], keep: boolean): Promise<void>;
  merchants(merchantIds: readonly string[]): Promise<readonly Merchant[]>;
  products(merchantId: string, productIds: readonly string[]): Promise<readonly Product[]>;
  isEmpty(): Promise<boolean>;
}

/** Reads and writes a catalog's rows. */
export function createCatalogTables(database: Database): CatalogTables {
  const sql = statements(database);
  return {
    putMerchants: async (tx, merchants, keep) => {
      const rows = merchants.map((m) => [m.merchantId, m.name, m.email, m.phone, m.currency, m.bankAccountReference]);
      await tx.executeMany(keep ? sql.addMerchant : sql.putMerchant, rows);
    },
    putProducts: async (tx, merchantId, products, keep) => {
      const rows = products.map((p) => [merchantId, p.productId, p.name, p.unitPrice.currency, p.unitPrice.units]);
      await tx.executeMany(keep ? sql.addProduct : sql.putProduct, rows);
    },
    merchants: async (merchantIds) => {
      const rows = await database.query<MerchantRow>(sql.merchants, [jsonList(merchantIds)]);
      return rows.map((row) => ({
        merchantId: row.merchant_id,
        name: row.name,
        email: row.email,
        phone: row.phone,
        currency: row.currency,
        bankAccountReference: row.bank_account_reference,
      }));
    },
    products: async (merchantId, productIds) => {
      const rows = await database.query<ProductRow>(sql.products, [merchantId, jsonList(productIds)]);
      return rows.map((row) => ({
        productId: row.product_id,
        name: row.name,
        unitPrice: { currency: row.currency, units: BigInt(row.unit_price) },
      }));
    },
    isEmpty: async () => (await database.query(sql.anyMerchant)).length === 0,
  };
}
