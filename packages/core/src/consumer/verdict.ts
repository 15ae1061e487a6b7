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

/** Failures that say that something was taken, and may be free the next time; they say nothing of the message. */
const contended: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ABORTED', 'RESOURCE_EXHAUSTED']);

/** What brokers call it when somebody uses what was closed: the process is being taken down in another order than it should. */
const closed: ReadonlySet<string> = new Set(['PRODUCER_CLOSED', 'BROKER_CLOSED']);

/** Whether something that the handler needs is away, whatever the message. */
export function isAway(error: PaystreamError): boolean {
  return error.code === 'UNAVAILABLE' || closed.has(error.reason);
}

/** What becomes of a message whose handler failed, for all that {@link isAway} does not say of. */
export function verdictOf(error: PaystreamError, attempt: number, attempts: number): 'postpone' | 'retry' | 'dead-letter' {
  if (contended.has(error.code)) return 'postpone';
  if (hopeless.has(error.code) && !error.retryable) return 'dead-letter';
  return attempt >= attempts ? 'dead-letter' : 'retry';
}
