import { addMoney, currencyExponent, type FieldViolation, type Money, multiplyMoney, PaystreamError } from '@paystream/core';
import type { CreateOrderRequest } from '@paystream/core/contracts';
import type { CatalogPrice } from '../catalog/port.ts';
import { invalidRequest } from './check-request.ts';

/** A line with its price. */
export interface PricedLine {
  readonly productId: string;
  readonly quantity: number;
  readonly name: string;
  readonly unitPrice: Money;
  readonly total: Money;
}

/** Lines and what they come to. */
export interface PricedOrder {
  readonly lines: readonly PricedLine[];
  readonly total: Money;
}

/** Throws `INVALID_ARGUMENT` / `UNKNOWN_CURRENCY` if the request names a currency that is none. */
export function checkCurrency(request: CreateOrderRequest): void {
  const { currency } = request;
  if (currency === '' || currencyExponent(currency) !== undefined) return;
  throw invalidRequest('UNKNOWN_CURRENCY', [{ field: 'currency', description: `"${currency}" is not an active ISO 4217 currency` }]);
}

function checkKnown(request: CreateOrderRequest, prices: ReadonlyMap<string, CatalogPrice>): void {
  const unknown = new Set<string>();
  const violations: FieldViolation[] = [];
  for (const [index, { productId }] of request.items.entries()) {
    if (prices.has(productId)) continue;
    unknown.add(productId);
    violations.push({ field: `items[${index}].product_id`, description: `"${productId}" is not sold by "${request.merchantId}"` });
  }
  if (unknown.size === 0) return;
  const ids = [...unknown].slice(0, 20);
  throw new PaystreamError(
    'NOT_FOUND',
    `merchant "${request.merchantId}" does not sell ${ids.map((id) => `"${id}"`).join(', ')}${unknown.size > ids.length ? ', …' : ''}`,
    { reason: 'UNKNOWN_PRODUCT', violations, details: { merchantId: request.merchantId, productIds: ids.join(',') } },
  );
}

function checkCurrencies(request: CreateOrderRequest, lines: readonly PricedLine[]): void {
  const asked = request.currency === '' ? lines[0]?.unitPrice.currency : request.currency;
  const violations: FieldViolation[] = [];
  lines.forEach((line, index) => {
    const { currency } = line.unitPrice;
    if (currency === asked) return;
    violations.push({ field: `items[${index}].product_id`, description: `"${line.productId}" is sold in ${currency}, not in ${asked}` });
  });
  if (violations.length > 0) throw invalidRequest('CURRENCY_MISMATCH', violations);
}

/** Throws what is wrong with a catalog that gives a price below zero or in no currency: nothing that the caller can mend. */
function checkPrice(productId: string, { currency, units }: Money): void {
  if (units >= 0n && currencyExponent(currency) !== undefined) return;
  throw new PaystreamError('FAILED_PRECONDITION', `the catalog's price of "${productId}" is ${units} "${currency}" minor units`, {
    reason: 'INVALID_PRICE',
    details: { productId },
  });
}

/**
 * Prices the lines of a request.
 *
 * Throws `NOT_FOUND` / `UNKNOWN_PRODUCT`, or `INVALID_ARGUMENT` / `CURRENCY_MISMATCH`, `AMOUNT_OUT_OF_RANGE`,
 * `TOTAL_NOT_POSITIVE`.
 */
export function priceItems(request: CreateOrderRequest, prices: ReadonlyMap<string, CatalogPrice>): PricedOrder {
  checkKnown(request, prices);
  const lines: PricedLine[] = [];
  for (const { productId, quantity } of request.items) {
    const price = prices.get(productId);
    if (price === undefined) continue;
    checkPrice(productId, price.unitPrice);
    const total = multiplyMoney(price.unitPrice, BigInt(quantity));
    lines.push({ productId, quantity, name: price.name, unitPrice: price.unitPrice, total });
  }
  checkCurrencies(request, lines);
  const total = lines.map((line) => line.total).reduce(addMoney);
  if (total.units > 0n) return { lines, total };
  throw invalidRequest('TOTAL_NOT_POSITIVE', [{ field: 'items', description: 'come to nothing: there is nothing to charge' }]);
}
