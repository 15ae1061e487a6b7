import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { currencyExponent } from './currencies.ts';
import { addMoney, basisPointsOf, formatMoney, money, multiplyMoney, parseMoney, splitMoney, subtractMoney } from './money.ts';

const currencies = fc.constantFrom('EUR', 'USD', 'JPY', 'KWD', 'KRW', 'BHD');
const largest = 2n ** 63n - 1n;
const units = fc.bigInt({ min: -largest, max: largest });
const small = fc.bigInt({ min: -(10n ** 15n), max: 10n ** 15n });

describe('money', () => {
  it('never loses or makes a unit when it is split', () => {
    fc.assert(
      fc.property(
        currencies,
        units,
        fc
          .array(fc.bigInt({ min: 0n, max: 10n ** 9n }), { minLength: 1, maxLength: 20 })
          .filter((weights) => weights.some((weight) => weight > 0n)),
        (currency, amount, weights) => {
          const parts = splitMoney({ currency, units: amount }, weights);
          const total = weights.reduce((sum, weight) => sum + weight, 0n);
          expect(parts.reduce((sum, part) => sum + part.units, 0n)).toBe(amount);
          parts.forEach((part, index) => {
            const weight = weights[index] ?? 0n;
            // Each part is its exact share, rounded one way or the other.
            const error = part.units * total - amount * weight;
            expect(error < total && error > -total).toBe(true);
            if (weight === 0n) expect(part.units).toBe(0n);
          });
        },
      ),
    );
  });

  it('gives units left over to the first parts', () => {
    expect(splitMoney(money('EUR', 100n), [1n, 1n, 1n]).map((part) => part.units)).toEqual([34n, 33n, 33n]);
    expect(splitMoney(money('EUR', -100n), [0n, 1n, 1n, 1n]).map((part) => part.units)).toEqual([0n, -34n, -33n, -33n]);
  });

  it.each([[[]], [[0n]], [[1n, -1n, 1n]]])('refuses weights that cannot be split by: %s', (weights) => {
    expect(() => splitMoney(money('EUR', 1n), weights)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'INVALID_WEIGHTS' }),
    );
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(currencies, units, (currency, amount) => {
        const value = money(currency, amount);
        expect(parseMoney(formatMoney(value))).toEqual(value);
      }),
    );
  });

  it('writes as many digits as the currency has', () => {
    expect([money('EUR', 5n), money('JPY', 1999n), money('KWD', -1234567n), money('USD', 0n)].map(formatMoney)).toEqual([
      '0.05 EUR',
      '1999 JPY',
      '-1234.567 KWD',
      '0.00 USD',
    ]);
  });

  it.each(['', '1', '1.999 EUR', '1.5 JPY', '1,5 EUR', '1. EUR', '1 XXX', '1e3 EUR', ' 1 EUR', '+1 EUR', '99999999999999999999 EUR'])(
    'does not take "%s" for an amount',
    (text) => {
      expect(() => parseMoney(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    },
  );

  it('adds and takes away exactly', () => {
    fc.assert(
      fc.property(currencies, small, small, (currency, a, b) => {
        const sum = addMoney(money(currency, a), money(currency, b));
        expect(sum.units).toBe(a + b);
        expect(subtractMoney(sum, money(currency, b)).units).toBe(a);
      }),
    );
  });

  it('refuses to reckon two currencies with each other', () => {
    const mismatch = expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'CURRENCY_MISMATCH' });
    expect(() => addMoney(money('EUR', 1n), money('USD', 1n))).toThrow(mismatch);
    expect(() => subtractMoney(money('EUR', 1n), money('USD', 1n))).toThrow(mismatch);
  });

  it('refuses what does not fit 63 bits instead of wrapping round', () => {
    const outOfRange = expect.objectContaining({ reason: 'AMOUNT_OUT_OF_RANGE' });
    expect(() => addMoney(money('EUR', largest), money('EUR', 1n))).toThrow(outOfRange);
    expect(() => multiplyMoney(money('EUR', largest), 2n)).toThrow(outOfRange);
    expect(() => money('EUR', -largest - 1n)).toThrow(outOfRange);
    expect(money('EUR', largest).units).toBe(largest);
  });

  it('rounds a fee half away from zero', () => {
    const fee = (amount: bigint, basisPoints: number): bigint => basisPointsOf(money('EUR', amount), basisPoints).units;
    expect([fee(1000n, 290), fee(50n, 100), fee(49n, 100), fee(-50n, 100), fee(0n, 290)]).toEqual([29n, 1n, 0n, -1n, 0n]);
  });

  it('knows active currencies only', () => {
    expect(['EUR', 'JPY', 'KWD', 'CLF', 'XAU', 'XTS', 'eur', 'DEM', 'constructor'].map(currencyExponent)).toEqual([
      2,
      0,
      3,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(() => money('DEM', 1n)).toThrow(expect.objectContaining({ reason: 'UNKNOWN_CURRENCY', details: { currency: 'DEM' } }));
  });
});
