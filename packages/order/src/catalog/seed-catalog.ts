import type { Merchant, Product } from './port.ts';
import type { SqlCatalog } from './sql-catalog.ts';

/** A merchant with what they sell. */
export interface CatalogSeed {
  readonly merchant: Merchant;
  readonly products: readonly Product[];
}

/**
 * Fills a catalog that is empty; leaves one that is not as it is. Tells whether it was empty. Several may do so at once: what one
 * has put there, or somebody has changed since, none of them replaces.
 */
export async function seedCatalog(catalog: SqlCatalog, seeds: readonly CatalogSeed[]): Promise<boolean> {
  if (!(await catalog.isEmpty())) return false;
  for (const { merchant, products } of seeds) await catalog.putProducts(merchant.merchantId, products, { existing: 'keep' });
  await catalog.putMerchants(
    seeds.map(({ merchant }) => merchant),
    { existing: 'keep' },
  );
  return true;
}
