import { PaystreamError } from '../errors/paystream-error.ts';
import { currencyExponent } from './currencies.ts';

/** An exact amount of money. No floating point comes near one. */
export interface Money {
  /** ISO 4217 code: `EUR`. */
  readonly currency: string;
  /** The amount in the currency's minor unit: `1999n` is 19.99 EUR. */
  readonly units: bigint;
}

const largest = 2n ** 63n - 1n;

function checked(currency: string, units: bigint): Money {
  if (units > largest || units < -largest) {
    throw new PaystreamError('INVALID_ARGUMENT', `${units} ${currency} is beyond what an amount can hold`, {
      reason: 'AMOUNT_OUT_OF_RANGE',
    });
  }
  return { currency, units };
}

/** An amount of minor units. Throws `INVALID_ARGUMENT` for a currency that ISO 4217 does not list as active, or beyond 63 bits. */
export function money(currency: string, units: bigint): Money {
  if (currencyExponent(currency) === undefined) {
    throw new PaystreamError('INVALID_ARGUMENT', `"${currency}" is not an active ISO 4217 currency`, {
      reason: 'UNKNOWN_CURRENCY',
      details: { currency },
    });
  }
  return checked(currency, units);
}

function sameCurrency(a: Money, b: Money): void {
  if (a.currency !== b.currency) {
    throw new PaystreamError('INVALID_ARGUMENT', `cannot reckon ${a.currency} with ${b.currency}`, { reason: 'CURRENCY_MISMATCH' });
  }
}

/** The sum. Throws `INVALID_ARGUMENT` for two currencies. */
export function addMoney(a: Money, b: Money): Money {
  sameCurrency(a, b);
  return checked(a.currency, a.units + b.units);
}

/** The difference. Throws `INVALID_ARGUMENT` for two currencies. */
export function subtractMoney(a: Money, b: Money): Money {
  sameCurrency(a, b);
  return checked(a.currency, a.units - b.units);
}

/** So many times the amount. */
export function multiplyMoney(amount: Money, factor: bigint): Money {
  return checked(amount.currency, amount.units * factor);
}

/** A share of an amount in basis points (1/100 of a percent), rounded half away from zero. */
export function basisPointsOf(amount: Money, basisPoints: number): Money {
  const product = amount.units * BigInt(basisPoints);
  const half = product < 0n ? -5_000n : 5_000n;
  return checked(amount.currency, (product + half) / 10_000n);
}

/** Splits an amount by weights. The parts add up to it exactly: units left over go to the first parts. Throws `INVALID_ARGUMENT` unless a weight is positive and none negative. */
export function splitMoney(amount: Money, weights: readonly bigint[]): readonly Money[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0n);
  if (total <= 0n || weights.some((weight) => weight < 0n)) {
    throw new PaystreamError('INVALID_ARGUMENT', 'weights must not be negative, and one must be positive', { reason: 'INVALID_WEIGHTS' });
  }
  const parts = weights.map((weight) => (amount.units * weight) / total);
  let left = amount.units - parts.reduce((sum, part) => sum + part, 0n);
  const step = left < 0n ? -1n : 1n;
  return parts.map((part, index) => {
    if (left === 0n || weights[index] === 0n) return { currency: amount.currency, units: part };
    left -= step;
    return { currency: amount.currency, units: part + step };
  });
}

/** As a person reads it, with the currency's own number of digits: `19.99 EUR`, `1999 JPY`. */
export function formatMoney(amount: Money): string {
  const exponent = currencyExponent(amount.currency) ?? 0;
  const digits = (amount.units < 0n ? -amount.units : amount.units).toString().padStart(exponent + 1, '0');
  const whole = digits.slice(0, digits.length - exponent);
  const fraction = exponent === 0 ? '' : `.${digits.slice(-exponent)}`;
  return `${amount.units < 0n ? '-' : ''}${whole}${fraction} ${amount.currency}`;
}

/** Reads what {@link formatMoney} writes. Throws `INVALID_ARGUMENT` for anything else, more digits than the currency has included. */
export function parseMoney(text: string): Money {
  const [, sign, whole, fraction = '', currency = ''] = /^(-?)(\d+)(?:\.(\d+))? ([A-Z]{3})$/.exec(text) ?? [];
  const exponent = currencyExponent(currency);
  if (whole === undefined || exponent === undefined || fraction.length > exponent) {
    throw new PaystreamError('INVALID_ARGUMENT', `"${text}" is not an amount such as "19.99 EUR"`, { reason: 'INVALID_AMOUNT' });
  }
  return money(currency, BigInt(`${sign}${whole}${fraction.padEnd(exponent, '0')}`));
}
