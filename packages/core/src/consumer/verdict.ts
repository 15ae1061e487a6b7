import type { ErrorCode, PaystreamError } from '../errors/paystream-error.ts';

/** Failures that say that the message itself is at fault: another attempt would end as this one did. */
const hopeless: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'FAILED_PRECONDITION',
  'ALREADY_EXISTS',
  'UNSUPPORTED',
  'DATA_LOSS',
]);

/** What becomes of a message whose handler failed, for all but `UNAVAILABLE`. */
export function verdictOf(error: PaystreamError, attempt: number, attempts: number): 'retry' | 'dead-letter' {
  if (hopeless.has(error.code) && !error.retryable) return 'dead-letter';
  return attempt >= attempts ? 'dead-letter' : 'retry';
}
