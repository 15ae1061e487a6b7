import { describe, expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { apiKeys, hashApiKey } from './authenticator.ts';
import { anonymous, requireMerchant } from './principal.ts';

const authenticate = apiKeys([
  { id: 'shop', sha256: hashApiKey('one'), merchants: ['m1', 'm2'] },
  { id: 'operator', sha256: hashApiKey('two').toUpperCase(), merchants: 'all' },
]);
const headers = (given: Record<string, string>) => ({ get: (name: string) => given[name] });
const reasonOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return PaystreamError.from(error).reason;
  }
  return 'none';
};

describe('an API key', () => {
  it.each([
    [{ authorization: 'Bearer one' }, 'shop'],
    [{ authorization: 'bearer  two ' }, 'operator'],
    [{ 'x-api-key': 'one' }, 'shop'],
  ])('lets its caller in with %j', async (given, id) => {
    expect((await authenticate(headers(given))).id).toBe(id);
  });

  it.each([
    [{}, 'API_KEY_MISSING'],
    [{ authorization: 'Basic b25lOg==' }, 'API_KEY_MISSING'],
    [{ authorization: 'Bearer ' }, 'API_KEY_MISSING'],
    [{ 'x-api-key': '' }, 'API_KEY_UNKNOWN'],
    [{ 'x-api-key': hashApiKey('one') }, 'API_KEY_UNKNOWN'],
    [{ 'x-api-key': 'One' }, 'API_KEY_UNKNOWN'],
  ])('is wanted, and the right one: %j', (given, reason) => {
    expect(reasonOf(() => authenticate(headers(given)))).toBe(reason);
  });

  it('given in clear instead of hashed is refused when the server starts', () => {
    expect(reasonOf(() => apiKeys([{ id: 'a', sha256: 'one', merchants: 'all' }]))).toBe('API_KEY_HASH_INVALID');
  });
});

describe('requireMerchant', () => {
  it('lets a caller act for the merchants of its own alone', async () => {
    const principal = await authenticate(headers({ 'x-api-key': 'one' }));
    expect(reasonOf(() => requireMerchant({ principal }, 'm2'))).toBe('none');
    expect(reasonOf(() => requireMerchant({ principal }, 'm3'))).toBe('MERCHANT_FORBIDDEN');
    expect(reasonOf(() => requireMerchant({ principal: anonymous }, 'm3'))).toBe('none');
  });

  it('can hide that the thing exists', () => {
    const hidden = (): PaystreamError => new PaystreamError('NOT_FOUND', 'no such order', { reason: 'ORDER_UNKNOWN' });
    expect(reasonOf(() => requireMerchant({ principal: { id: 'x', merchants: new Set() } }, 'm1', hidden))).toBe('ORDER_UNKNOWN');
  });
});
