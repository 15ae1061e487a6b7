import { type Clock, createBatcher, noTelemetry, PaystreamError, systemClock, type Telemetry } from '@paystream/core';
import type { Database, MigrationMode } from '@paystream/core/sql';
import { catalogMigrations, createCatalogTables } from './catalog-tables.ts';
import { checkMerchant, checkMerchantId, checkProduct, unknownMerchant } from './check-product.ts';
import type { Catalog, CatalogPrice, Merchant, Product } from './port.ts';
import { createShortCache } from './short-cache.ts';

/** Options of {@link sqlCatalog}. */
export interface SqlCatalogOptions {
  /** For how long a price or merchant that was read is taken as it is, in milliseconds. Default: 5,000; 0 reads each time. */
  readonly cacheMs?: number;
  /** At most so many prices are kept, and as many merchants. Default: 10,000. */
  readonly maxCached?: number;
  /**
   * Apply the migrations of the catalog's tables when first used, or only check them. Until that has succeeded `price` and `merchant`
   * are `UNAVAILABLE`, with the reason, so that orders and messages wait. Default: `apply`.
   */
  readonly migrations?: MigrationMode;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Gets how many look-ups wait and how many share a query, as the batcher `catalog`. Default: keeps nothing. */
  readonly telemetry?: Telemetry;
}

/** How merchants and products are put into a catalog. */
export interface PutOptions {
  /** What becomes of those that are there: they are replaced, or stay as they are. Default: `replace`. */
  readonly existing?: 'replace' | 'keep';
}

/** A catalog in SQL tables. */
export interface SqlCatalog extends Catalog {
  /** A merchant with name, email and phone; `undefined` if there is none. */
  merchant(merchantId: string): Promise<Merchant | undefined>;
  /**
   * Inserts or replaces merchants. Throws `INVALID_ARGUMENT` for an unknown currency, a bad id, or a text of more than 1,000
   * characters.
   */
  putMerchants(merchants: readonly Merchant[], options?: PutOptions): Promise<void>;
  /**
   * Inserts or replaces products of one merchant. Other instances sell at the old price until their cache time is over. Throws
   * `INVALID_ARGUMENT` for a price below zero or in an unknown currency, a bad id, or a name of more than 1,000 characters.
   */
  putProducts(merchantId: string, products: readonly Product[], options?: PutOptions): Promise<void>;
  /** Whether there is no merchant yet. */
  isEmpty(): Promise<boolean>;
}

interface Question {
  readonly merchantId: string;
  readonly productIds: readonly string[];
}

type Answer = ReadonlyMap<string, CatalogPrice> | PaystreamError;

const keyOf = (merchantId: string, productId: string): string => `${merchantId}\n${productId}`;

function gather(questions: readonly Question[]): ReadonlyMap<string, ReadonlySet<string>> {
  const wanted = new Map<string, Set<string>>();
  for (const { merchantId, productIds } of questions) {
    const ids = wanted.get(merchantId);
    if (ids === undefined) wanted.set(merchantId, new Set(productIds));
    else for (const id of productIds) ids.add(id);
  }
  return wanted;
}

/**
 * A catalog in the tables `merchants` and `products`. Prices are kept in memory for a short time, so placing an order
 * costs no query; what is not kept is read for all concurrent callers at once.
 *
 * @example
 * const catalog = sqlCatalog(database);
 * await catalog.putMerchants([{ merchantId: 'm-1', name: 'Tea House', email: 'tea@example.org', phone: '', currency: 'EUR', bankAccountReference: '' }]);
 * await catalog.putProducts('m-1', [{ productId: 'tea', name: 'Green tea', unitPrice: { currency: 'EUR', units: 450n } }]);
 */
export function sqlCatalog(database: Database, options: SqlCatalogOptions = {}): SqlCatalog {
  const { cacheMs = 5_000, maxCached = 10_000, migrations = 'apply', clock = systemClock, telemetry = noTelemetry } = options;
  const prices = createShortCache<CatalogPrice>(clock, cacheMs, maxCached);
  const merchants = createShortCache<Merchant>(clock, cacheMs, maxCached);
  const tables = createCatalogTables(database);

  let migrated: Promise<void> | undefined;
  const ready = (): Promise<void> => {
    migrated ??= database.migrate(catalogMigrations, migrations).catch((error: unknown) => {
      migrated = undefined;
      throw error;
    });
    return migrated;
  };

  /** For orders and messages: they can do nothing about a schema that is not as it should be, and have to wait. */
  const readyOrAway = (): Promise<void> =>
    ready().catch((error: unknown) => {
      const { code, message, reason, details } = PaystreamError.from(error);
      if (code !== 'FAILED_PRECONDITION') throw error;
      throw new PaystreamError('UNAVAILABLE', message, { reason, details, cause: error });
    });

  const remember = (merchant: Merchant): Merchant => {
    merchants.set(merchant.merchantId, merchant);
    return merchant;
  };

  const questions = createBatcher<Question, Answer>({
    name: 'catalog',
    telemetry,
    run: async (batch) => {
      await readyOrAway();
      const wanted = gather(batch);
      const known = new Set((await tables.merchants([...wanted.keys()])).map((merchant) => remember(merchant).merchantId));
      const found = new Map<string, Map<string, CatalogPrice>>();
      for (const [merchantId, ids] of wanted) {
        if (!known.has(merchantId)) continue;
        const products = await tables.products(merchantId, [...ids]);
        for (const product of products) prices.set(keyOf(merchantId, product.productId), product);
        found.set(merchantId, new Map(products.map((product) => [product.productId, product])));
      }
      return batch.map(({ merchantId }) => found.get(merchantId) ?? unknownMerchant(merchantId));
    },
  });

  return {
    price: async (merchantId, productIds) => {
      const found = new Map<string, CatalogPrice>();
      for (const id of productIds) {
        const price = prices.get(keyOf(merchantId, id));
        if (price === undefined) break;
        found.set(id, price);
      }
      if (productIds.length > 0 && productIds.every((id) => found.has(id))) return found;
      const answer = await questions.submit({ merchantId, productIds });
      if (PaystreamError.is(answer)) throw answer;
      return answer;
    },
    merchant: async (merchantId) => {
      const kept = merchants.get(merchantId);
      if (kept !== undefined) return kept;
      await readyOrAway();
      const [merchant] = await tables.merchants([merchantId]);
      return merchant && remember(merchant);
    },
    putMerchants: async (given, { existing } = {}) => {
      given.forEach(checkMerchant);
      await ready();
      await database.transaction((tx) => tables.putMerchants(tx, given, existing === 'keep'));
      for (const merchant of given) merchants.delete(merchant.merchantId);
    },
    putProducts: async (merchantId, products, { existing } = {}) => {
      checkMerchantId(merchantId);
      products.forEach(checkProduct);
      await ready();
      await database.transaction((tx) => tables.putProducts(tx, merchantId, products, existing === 'keep'));
      for (const product of products) prices.delete(keyOf(merchantId, product.productId));
    },
    isEmpty: async () => {
      await ready();
      return tables.isEmpty();
    },
  };
}
