import { PaystreamError } from '../errors/paystream-error.ts';

/** Throws `INVALID_ARGUMENT` unless a statement gets as many parameters as it has places for. */
export function checkParameterCount(places: number, given: number, sql: string): void {
  if (given === places) return;
  throw new PaystreamError('INVALID_ARGUMENT', `a statement has ${places} places for parameters and got ${given}: ${sql}`, {
    reason: 'INVALID_PARAMETER',
    details: { sql },
  });
}
