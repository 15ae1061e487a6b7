import type { Money } from '@paystream/core';

/** What a product costs now. */
export interface CatalogPrice {
  /** The name, as it should stand on a receipt. At most 1,000 characters. */
  readonly name: string;
  /** The price of one. Not negative. */
  readonly unitPrice: Money;
}

/** Where prices come from: never from the client. Adapters: `staticCatalog`, `sqlCatalog`, or yours. */
export interface Catalog {
  /**
   * The prices of a merchant's products now. Products that the merchant does not sell are missing from the result. Called
   * for every order, so keep prices at hand or gather concurrent calls into one query.
   *
   * Throws `NOT_FOUND` / `UNKNOWN_MERCHANT` for an unknown merchant, `UNAVAILABLE` while prices cannot be read.
   */
  price(merchantId: string, productIds: readonly string[]): Promise<ReadonlyMap<string, CatalogPrice>>;
}

/** One of a merchant's products. */
export interface Product extends CatalogPrice {
  /** Unique for the merchant, 1 to 64 characters. */
  readonly productId: string;
}

/** A merchant, as far as selling and telling them of it needs. */
export interface Merchant {
  /** 1 to 64 characters. */
  readonly merchantId: string;
  /** As customers know them. This and what follows has at most 1,000 characters. */
  readonly name: string;
  /** Where messages about sales go; empty if nowhere. */
  readonly email: string;
  /** In E.164 form, `+4930123456`; empty if not known. */
  readonly phone: string;
  /** The currency that the merchant sells in: `EUR`. */
  readonly currency: string;
  /** A reference to the bank account that payouts go to, as the payout provider issued it; empty if none. Never an account number. */
  readonly bankAccountReference: string;
}
