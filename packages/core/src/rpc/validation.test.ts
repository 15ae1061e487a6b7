import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { CreateOrderRequestSchema } from '../contracts/index.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import { createRequestValidator } from './validation.ts';

const validate = createRequestValidator();
const good = {
  requestId: 'r-1',
  merchantId: 'm1',
  customer: { customerId: 'c1', name: 'Jane', email: 'jane@example.org', phone: '+4930123456' },
  paymentMethod: { reference: 'pm_card_visa' },
  currency: 'EUR',
  items: [{ productId: 'p1', quantity: 1 }],
};

function violationsOf(change: object): PaystreamError {
  try {
    validate(CreateOrderRequestSchema, create(CreateOrderRequestSchema, { ...good, ...change } as never));
  } catch (error) {
    return error as PaystreamError;
  }
  throw new Error('the request is valid');
}

const lines = (count: number, quantity: number) => Array.from({ length: count }, () => ({ productId: 'p', quantity }));

describe('a request', () => {
  it('passes if it breaks no rule', () => {
    expect(() => validate(CreateOrderRequestSchema, create(CreateOrderRequestSchema, good))).not.toThrow();
  });

  it.each([
    ['zero quantity', { items: lines(1, 0) }, 'items[0].quantity'],
    ['negative quantity', { items: lines(1, -1) }, 'items[0].quantity'],
    ['no lines', { items: [] }, 'items'],
    ['no customer', { customer: undefined }, 'customer'],
    ['an unknown form of currency', { currency: 'eur' }, 'currency'],
    ['no request id', { requestId: '' }, 'request_id'],
    ['a telephone number that is none', { customer: { ...good.customer, phone: '030-1' } }, 'customer.phone'],
    ['a wait that is too long', { wait: { seconds: 121n } }, 'wait'],
  ])('is refused for %s, by the name of the field', (_what, change, field) => {
    const error = violationsOf(change);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'REQUEST_INVALID' });
    expect(error.violations.map((violation) => violation.field)).toContain(field);
    expect(error.message).toContain(field);
  });

  it('lists every field at fault, and names few in its message', () => {
    const error = violationsOf({ items: lines(20, 0) });
    expect(error.violations).toHaveLength(20);
    expect(error.message).toMatch(/and 17 more/);
  });

  it('of 100,000 lines costs no more than finding its first fault', () => {
    expect(violationsOf({ items: lines(100_000, 0) }).violations).toEqual([expect.objectContaining({ field: 'items' })]);
  });
});
