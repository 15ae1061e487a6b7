import type { CatalogSeed } from '@paystream/order';

function seedOf(merchant: CatalogSeed['merchant'], prices: Readonly<Record<string, readonly [name: string, units: bigint]>>): CatalogSeed {
  const products = Object.entries(prices).map(([productId, [name, units]]) => ({
    productId,
    name,
    unitPrice: { currency: merchant.currency, units },
  }));
  return { merchant, products };
}

/** The merchants and products that a new stack begins with. Prices in minor units of the merchant's currency. */
export const seeds: readonly CatalogSeed[] = [
  seedOf(
    {
      merchantId: 'merchant-1',
      name: 'Nordlicht Coffee Roasters',
      email: 'orders@nordlicht-coffee.example',
      phone: '+4930123456',
      currency: 'EUR',
      bankAccountReference: 'ba_nordlicht',
    },
    {
      'coffee-1kg': ['House espresso, 1 kg', 2_190n],
      'filter-papers': ['Filter papers, 100', 450n],
      grinder: ['Hand grinder', 8_900n],
    },
  ),
  seedOf(
    {
      merchantId: 'merchant-2',
      name: 'Harbor Books',
      email: 'sales@harbor-books.example',
      phone: '+12065550100',
      currency: 'USD',
      bankAccountReference: 'ba_harbor',
    },
    { paperback: ['Paperback of the month', 1_299n], atlas: ['Sailing atlas', 5_450n] },
  ),
  seedOf(
    {
      merchantId: 'merchant-3',
      name: 'Midori Tea',
      email: 'shop@midori-tea.example',
      phone: '+81312345678',
      currency: 'JPY',
      bankAccountReference: 'ba_midori',
    },
    { 'sencha-100g': ['Sencha, 100 g', 1_620n], teapot: ['Iron teapot', 12_800n] },
  ),
];
