import { checkMerchantId, checkProduct, unknownMerchant } from './check-product.ts';
import type { Catalog, CatalogPrice, Product } from './port.ts';

/**
 * A catalog that never changes: products by merchant.
 *
 * Throws `INVALID_ARGUMENT` for a bad id, a name of more than 1,000 characters, and a price below zero or in an unknown currency.
 *
 * @example
 * const catalog = staticCatalog({
 *   'm-1': [{ productId: 'tea', name: 'Green tea', unitPrice: { currency: 'EUR', units: 450n } }],
 * });
 */
export function staticCatalog(products: Readonly<Record<string, readonly Product[]>>): Catalog {
  const merchants = new Map<string, ReadonlyMap<string, CatalogPrice>>();
  for (const [merchantId, sold] of Object.entries(products)) {
    checkMerchantId(merchantId);
    sold.forEach(checkProduct);
    merchants.set(merchantId, new Map(sold.map((product) => [product.productId, product])));
  }
  return {
    price: async (merchantId) => {
      const sold = merchants.get(merchantId);
      if (sold === undefined) throw unknownMerchant(merchantId);
      return sold;
    },
  };
}
