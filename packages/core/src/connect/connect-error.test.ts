import { expect, it } from 'vitest';
import { PaystreamError } from '../errors/paystream-error.ts';
import { connectErrorOf } from './connect-error.ts';

it('tells HTTP clients when to come again, where that may help', () => {
  const afterOf = (error: PaystreamError) => connectErrorOf(error).metadata.get('retry-after');
  expect(afterOf(new PaystreamError('UNAVAILABLE', 'no', { reason: 'R' }))).toBe('1');
  expect(afterOf(new PaystreamError('RESOURCE_EXHAUSTED', 'no', { reason: 'R', details: { retryAfterMs: '2500' } }))).toBe('3');
  expect(afterOf(new PaystreamError('NOT_FOUND', 'no', { reason: 'R' }))).toBeNull();
});
