import { money, PaystreamError } from '@paystream/core';
import { characterCount } from '@paystream/core/contracts';
import type { Merchant, Product } from './port.ts';

function invalid(field: string, description: string): PaystreamError {
  return new PaystreamError('INVALID_ARGUMENT', `${field}: ${description}`, {
    reason: 'INVALID_CATALOG',
    violations: [{ field, description }],
  });
}

/** Of the names and addresses of a catalog: so an order of the most items, all with the longest names, is no larger than a message may be. */
const longest = 1_000;

function checkText(field: string, text: string, min: number, max: number): void {
  const length = characterCount(text);
  if (length < min || length > max) throw invalid(field, `must be ${min} to ${max} characters long, not ${length}`);
  if (!text.isWellFormed()) throw invalid(field, 'must be well-formed Unicode');
}

/** Throws `INVALID_ARGUMENT` for what no merchant can be called. */
export function checkMerchantId(merchantId: string): void {
  checkText('merchantId', merchantId, 1, 64);
}

/** Throws `INVALID_ARGUMENT` for a product that cannot be sold. */
export function checkProduct(product: Product): void {
  checkText('productId', product.productId, 1, 64);
  checkText('name', product.name, 0, longest);
  const { currency, units } = money(product.unitPrice.currency, product.unitPrice.units);
  if (units < 0n) throw invalid('unitPrice', `must not be negative: ${units} ${currency} for "${product.productId}"`);
}

/** Throws `INVALID_ARGUMENT` for a merchant who cannot sell. */
export function checkMerchant(merchant: Merchant): void {
  checkMerchantId(merchant.merchantId);
  for (const field of ['name', 'email', 'phone', 'bankAccountReference'] as const) checkText(field, merchant[field], 0, longest);
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
