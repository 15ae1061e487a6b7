import type { Database } from '@paystream/core/sql';
import { createTestWorld, type TestWorld } from '@paystream/core/testing';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../testing/fixtures.ts';
import type { Merchant } from './port.ts';
import { seedCatalog } from './seed-catalog.ts';
import { type SqlCatalog, type SqlCatalogOptions, sqlCatalog } from './sql-catalog.ts';

const teaHouse: Merchant = {
  merchantId: 'm-1',
  name: 'Tea House',
  email: 'tea@example.org',
  phone: '+4930123456',
  currency: 'EUR',
  bankAccountReference: 'ba_1',
};
const tea = { productId: 'tea', name: 'Green tea', unitPrice: { currency: 'EUR', units: 450n } };

/** Counts the reads that reach the database. */
function counted(database: Database): { readonly database: Database; readonly reads: () => number } {
  let reads = 0;
  const query: Database['query'] = (sql, parameters) => {
    reads += 1;
    return database.query(sql, parameters);
  };
  return {
    database: new Proxy(database, { get: (target, name) => (name === 'query' ? query : Reflect.get(target, name)) }),
    reads: () => reads,
  };
}

async function filled(world: TestWorld, options: SqlCatalogOptions = {}): Promise<{ catalog: SqlCatalog; reads: () => number }> {
  const { database, reads } = counted(world.database);
  const catalog = sqlCatalog(database, { clock: world.clock, ...options });
  await catalog.putMerchants([teaHouse]);
  await catalog.putProducts('m-1', [tea]);
  return { catalog, reads };
}

describe('a catalog in SQL', () => {
  it('gives the price of what a merchant sells, and nothing for what they do not', async () => {
    await using world = await createTestWorld();
    const { catalog } = await filled(world);
    const prices = await catalog.price('m-1', ['tea', 'gold']);
    expect(prices.get('tea')).toMatchObject({ name: 'Green tea', unitPrice: { currency: 'EUR', units: 450n } });
    expect(prices.has('gold')).toBe(false);
  });

  it('refuses a merchant that it does not know', async () => {
    await using world = await createTestWorld();
    const { catalog } = await filled(world);
    expect(await errorOf(catalog.price('m-9', ['tea']))).toMatchObject({ code: 'NOT_FOUND', reason: 'UNKNOWN_MERCHANT' });
  });

  it('costs no query for each order, and one for all who ask at once', async () => {
    await using world = await createTestWorld();
    const { catalog, reads } = await filled(world);
    const before = reads();
    await Promise.all(Array.from({ length: 50 }, () => catalog.price('m-1', ['tea'])));
    const cold = reads() - before;
    for (let i = 0; i < 50; i++) await catalog.price('m-1', ['tea']);
    expect(cold).toBe(2);
    expect(reads() - before).toBe(cold);
  });

  it('sells at a new price at once here, and elsewhere when the cache time is over', async () => {
    await using world = await createTestWorld();
    const { catalog } = await filled(world);
    const elsewhere = sqlCatalog(world.database, { clock: world.clock, cacheMs: 5_000 });
    const priceOf = async (from: SqlCatalog): Promise<bigint | undefined> => (await from.price('m-1', ['tea'])).get('tea')?.unitPrice.units;
    await priceOf(catalog);
    await priceOf(elsewhere);
    await catalog.putProducts('m-1', [{ ...tea, unitPrice: { currency: 'EUR', units: 500n } }]);
    expect([await priceOf(catalog), await priceOf(elsewhere)]).toEqual([500n, 450n]);
    await world.advance(5_000);
    expect(await priceOf(elsewhere)).toBe(500n);
  });

  it('keeps no more prices than it may', async () => {
    await using world = await createTestWorld();
    const { catalog, reads } = await filled(world, { maxCached: 10 });
    const many = Array.from({ length: 30 }, (_, i) => ({ ...tea, productId: `p-${i}` }));
    await catalog.putProducts('m-1', many);
    for (const { productId } of many) await catalog.price('m-1', [productId]);
    const before = reads();
    await catalog.price('m-1', ['p-29']);
    expect(reads() - before).toBe(0);
    await catalog.price('m-1', ['p-0']);
    expect(reads() - before).toBeGreaterThan(0);
  });

  it('knows how to reach a merchant', async () => {
    await using world = await createTestWorld();
    const { catalog } = await filled(world);
    expect(await catalog.merchant('m-1')).toEqual(teaHouse);
    expect(await catalog.merchant('m-9')).toBeUndefined();
  });

  it('refuses prices that no one can be charged', async () => {
    await using world = await createTestWorld();
    const { catalog } = await filled(world);
    const bad = (currency: string, units: bigint): Promise<void> =>
      catalog.putProducts('m-1', [{ ...tea, unitPrice: { currency, units } }]);
    expect((await errorOf(bad('EUR', -1n))).code).toBe('INVALID_ARGUMENT');
    expect((await errorOf(bad('XXQ', 1n))).reason).toBe('UNKNOWN_CURRENCY');
    expect((await catalog.price('m-1', ['tea'])).get('tea')?.unitPrice.units).toBe(450n);
  });

  it('keeps texts of as many characters as it may, an emoji counting as one, and refuses longer ones', async () => {
    await using world = await createTestWorld();
    const { catalog } = await filled(world);
    const long = '😀'.repeat(1_000);
    const longest = { merchantId: '😀'.repeat(64), name: long, email: long, phone: long, currency: 'EUR', bankAccountReference: long };
    const product = { ...tea, productId: '😀'.repeat(64), name: long };
    for (const existing of ['keep', 'replace'] as const) {
      await catalog.putMerchants([longest], { existing });
      await catalog.putProducts(longest.merchantId, [product], { existing });
      expect(await catalog.merchant(longest.merchantId)).toEqual(longest);
      expect((await catalog.price(longest.merchantId, [product.productId])).get(product.productId)?.name).toBe(long);
      const bad = [
        ...(['name', 'email', 'phone', 'bankAccountReference'] as const).map((field) => ({ ...teaHouse, [field]: `${long}x` })),
        { ...teaHouse, merchantId: 'm'.repeat(65) },
        { ...teaHouse, merchantId: 'm\ud800' },
      ].map((merchant) => catalog.putMerchants([merchant], { existing }));
      bad.push(catalog.putProducts('m'.repeat(65), [tea], { existing }), catalog.putProducts('', [tea], { existing }));
      bad.push(
        ...[{ name: `${long}x` }, { productId: 'p\ud800' }].map((change) =>
          catalog.putProducts('m-1', [{ ...tea, ...change }], { existing }),
        ),
      );
      for (const call of bad) expect(await errorOf(call)).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_CATALOG' });
    }
  });

  it('lets orders and messages wait, which can do nothing about it, where its schema is not as it should be', async () => {
    await using world = await createTestWorld();
    const catalog = sqlCatalog(world.database, { clock: world.clock, migrations: 'check' });
    expect(await errorOf(catalog.price('m-1', ['tea']))).toMatchObject({ code: 'UNAVAILABLE', reason: 'SCHEMA_OUT_OF_DATE' });
    await filled(world);
    expect(await errorOf(catalog.price('m-9', ['tea']))).toMatchObject({ reason: 'UNKNOWN_MERCHANT' });
  });

  it('is seeded once, and never over what someone has changed', async () => {
    await using world = await createTestWorld();
    const catalog = sqlCatalog(world.database, { clock: world.clock, cacheMs: 0 });
    expect(await seedCatalog(catalog, [{ merchant: teaHouse, products: [tea] }])).toBe(true);
    await catalog.putProducts('m-1', [{ ...tea, unitPrice: { currency: 'EUR', units: 1n } }]);
    expect(await seedCatalog(catalog, [{ merchant: teaHouse, products: [tea] }])).toBe(false);
    // Another that saw it empty, and is slower.
    const late: SqlCatalog = { ...catalog, isEmpty: async () => true };
    await seedCatalog(late, [{ merchant: { ...teaHouse, name: 'Other' }, products: [tea, { ...tea, productId: 'cup' }] }]);
    expect(await catalog.merchant('m-1')).toEqual(teaHouse);
    expect((await catalog.price('m-1', ['cup'])).size).toBe(1);
    expect((await catalog.price('m-1', ['tea'])).get('tea')?.unitPrice.units).toBe(1n);
  });
});
