import { PaystreamError } from '../errors/paystream-error.ts';

/** What calls of a transaction reject with once its work is over. */
export const transactionOver: PaystreamError = new PaystreamError(
  'FAILED_PRECONDITION',
  'the transaction is over: await its calls before its work resolves',
  { reason: 'TRANSACTION_OVER' },
);

/** What a transaction rejects with whose work resolved and left so many of its calls under way. */
export function notAwaited(calls: number): PaystreamError {
  return new PaystreamError(
    'FAILED_PRECONDITION',
    `the work of a transaction resolved while ${calls} of its calls ${calls === 1 ? 'was' : 'were'} under way, and nothing was stored: await each call`,
    { reason: 'CALL_NOT_AWAITED' },
  );
}
