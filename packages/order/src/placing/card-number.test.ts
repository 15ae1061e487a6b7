import { expect, it } from 'vitest';
import { isCardNumber } from './card-number.ts';

it.each(['4242424242424242', '4242-4242-4242-4242', '4242.4242.4242.4242', '378282246310005', '6011111111111117', '4222222222222'])(
  'knows %s for a card number, which must not be stored',
  (number) => expect(isCardNumber(number)).toBe(true),
);

it.each(['pm_4242424242424242', '4242424242424241', '424242424242', '42424242424242424242', 'tok:1', ''])('takes %s for a token', (token) =>
  expect(isCardNumber(token)).toBe(false),
);
