import { PaystreamError } from '@paystream/core';
import { expect, it } from 'vitest';
import { paymentPolicy } from './policy.ts';

it('says of each field of a policy what it would take, and takes 0 where nothing need be waited for', () => {
  expect(paymentPolicy({ retryDelayMs: 0, watchMs: 0 })).toMatchObject({ retryDelayMs: 0, watchMs: 0 });
  let refusal = new PaystreamError('INTERNAL', '', { reason: 'NOT_REFUSED' });
  try {
    paymentPolicy({ attempts: 0, retryDelayMs: -1, watchMs: 0.5, lookupDelaysMs: [] });
  } catch (thrown) {
    refusal = PaystreamError.from(thrown);
  }
  expect(refusal).toMatchObject({ code: 'INVALID_ARGUMENT', reason: 'INVALID_POLICY' });
  expect(refusal.violations).toEqual([
    { field: 'policy.attempts', description: '0 is not a positive integer' },
    { field: 'policy.retryDelayMs', description: '-1 is not an integer of at least 0' },
    { field: 'policy.watchMs', description: '0.5 is not an integer of at least 0' },
    { field: 'policy.lookupDelaysMs', description: '[] is not a list of growing positive integers' },
  ]);
});
