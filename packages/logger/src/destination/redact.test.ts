import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRedactor, redacted } from './redact.ts';

const { isSecret, text, value } = createRedactor();

describe('redaction', () => {
  it.each([
    'password',
    'userPassword',
    'user_password',
    'X-Api-Key',
    'accessToken',
    'ACCESS_TOKEN',
    'clientSecret',
    'Authorization',
    'cvv',
    'card_cvc',
    'iban',
    'cardNumber',
    'pan',
    'Set-Cookie',
    'pin',
  ])('keeps the value under %s from leaking', (key) => expect(isSecret(key)).toBe(true));

  it.each(['orderId', 'company', 'shipping', 'spinner', 'panel', 'message', 'status', 'expand', 'opinion'])('leaves %s readable', (key) =>
    expect(isSecret(key)).toBe(false),
  );

  it('keeps secrets at any depth from leaking', () => {
    expect(value({ a: [{ b: { password: 'hunter2', ok: 1 } }], token: { deep: 'x' } })).toEqual({
      a: [{ b: { password: redacted, ok: 1 } }],
      token: redacted,
    });
  });

  it.each(['4242424242424242', '4242 4242 4242 4242', '4000-0000-0000-0002', '378282246310005', '5555555555554444', '2223003122003222'])(
    'keeps the card number %s from leaking inside a text',
    (card) => {
      expect(text(`charged ${card} twice`)).toBe(`charged ${redacted} twice`);
      expect(value({ any: card })).toEqual({ any: redacted });
    },
  );

  it('keeps a card number that is a number from leaking', () => {
    expect(value({ any: 4242424242424242 })).toEqual({ any: redacted });
  });

  it('leaves times, ids and amounts readable', () => {
    const harmless = {
      time: 1_763_817_707_123,
      micros: 1_763_817_707_123_456,
      id: '019a1234-5678-7123-8123-412345678901',
      latency: 0.4242424242424242,
      amount: '19.99 EUR',
      digits: '4242424242424241',
    };
    expect(value(harmless)).toEqual(harmless);
  });

  it('keeps credentials in texts from leaking', () => {
    expect(text('sent Bearer abc.def-ghi to host')).toBe(`sent Bearer ${redacted} to host`);
    expect(text('mysql://root:s3cret@db:3306/x')).toBe(`mysql://root:${redacted}@db:3306/x`);
    expect(text('GET /x?token=abcdef&page=2')).toBe(`GET /x?token=${redacted}&page=2`);
    expect(text('{"password": "hunter2"}')).toBe(`{"password": "${redacted}"}`);
  });

  it('keeps card numbers of every issuer and grouping from leaking', () => {
    const luhnDigit = (digits: string): string => {
      let sum = 0;
      [...digits].reverse().forEach((digit, index) => {
        const weighed = index % 2 === 0 ? Number(digit) * 2 : Number(digit);
        sum += weighed > 9 ? weighed - 9 : weighed;
      });
      return String((10 - (sum % 10)) % 10);
    };
    const card = fc
      .tuple(fc.constantFrom('4', '51', '55', '2221', '2720', '6011', '62'), fc.stringMatching(/^\d{15}$/))
      .map(([prefix, rest]) => `${prefix}${rest}`.slice(0, 15))
      .map((digits) => digits + luhnDigit(digits));
    fc.assert(
      fc.property(card, fc.constantFrom('', ' ', '-'), fc.stringMatching(/^[a-z .]{0,20}$/), (digits, separator, around) => {
        const grouped = digits.replace(/(\d{4})(?=\d)/g, `$1${separator}`);
        expect(text(`${around} ${grouped} ${around}`)).not.toContain(grouped);
      }),
    );
  });

  it('takes the caller’s own names', () => {
    const own = createRedactor(['nickname']);
    expect(own.value({ nickname: 'x', password: 'y' })).toEqual({ nickname: redacted, password: 'y' });
  });
});
