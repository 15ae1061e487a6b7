import { money, PaystreamError } from '@paystream/core';
import type { Merchant, Product } from './port.ts';

function invalid(field: string, description: string): PaystreamError {
  return new PaystreamError('INVALID_ARGUMENT', `${field}: ${description}`, {
    reason: 'INVALID_CATALOG',
    violations: [{ field, description }],
  });
}

function checkId(field: string, id: string): void {
  if (id.length < 1 || id.length > 64) throw invalid(field, `must be 1 to 64 characters long, not ${id.length}`);
}

/** Throws `INVALID_ARGUMENT` for a product that cannot be sold. */
export function checkProduct(product: Product): void {
  checkId('productId', product.productId);
  const { currency, units } = money(product.unitPrice.currency, product.unitPrice.units);
  if (units < 0n) throw invalid('unitPrice', `must not be negative: ${units} ${currency} for "${product.productId}"`);
}

/** Throws `INVALID_ARGUMENT` for a merchant who cannot sell. */
export function checkMerchant(merchant: Merchant): void {
  checkId('merchantId', merchant.merchantId);
  money(merchant.currency, 0n);
}

/** What {@link Catalog.price} throws for a merchant that it does not know. */
export function unknownMerchant(merchantId: string): PaystreamError {
  return new PaystreamError('NOT_FOUND', `there is no merchant "${merchantId}"`, {
    reason: 'UNKNOWN_MERCHANT',
    violations: [{ field: 'merchant_id', description: `there is no "${merchantId}"` }],
    details: { merchantId },
  });
}
