import { ofOneTopic } from '../broker/of-one-topic.ts';
import type { ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import type { RetryPolicy } from './port.ts';

/** Failures that say that the message itself is at fault: another attempt would end as this one did. */
const hopeless: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'FAILED_PRECONDITION',
  'ALREADY_EXISTS',
  'UNSUPPORTED',
  'DATA_LOSS',
]);

/** Failures that say that something was taken, and may be free the next time if they are retryable; they say nothing of the message then. */
const contended: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ABORTED', 'RESOURCE_EXHAUSTED']);

/** What it is called when somebody uses what was closed: the process is being taken down in another order than it should. */
const closed: ReadonlySet<string> = new Set(['PRODUCER_CLOSED', 'BROKER_CLOSED']);

/** Batchers say `CANCELED` and `CLOSED`; with another code that reason could speak of the handler's own trade. */
function isClosed({ code, reason }: PaystreamError): boolean {
  return closed.has(reason) || (code === 'CANCELED' && reason === 'CLOSED');
}

/** Whether something that the handler needs is away, whatever the message. */
export function isAway(error: PaystreamError): boolean {
  return error.code === 'UNAVAILABLE' || isClosed(error);
}

/**
 * Whether it says nothing of the message, since the consumer stops: what a handler uses is being stopped as well. On a consumer
 * that runs, what is canceled was so by the handler or somebody it called, which may be for ever: that counts as an attempt.
 */
export function isStopped(error: PaystreamError, stopping: boolean): boolean {
  return stopping && error.code === 'CANCELED';
}

/** What a message has had so far. */
interface Tries {
  readonly attempt: number;
  /** How long it has waited for what was taken. */
  readonly postponedMs: number;
}

type Bounds = Required<Pick<RetryPolicy, 'attempts' | 'maxPostponedMs'>>;

/** What becomes of a message whose handler failed, for all that {@link isAway} and {@link isStopped} do not say of. */
export function verdictOf(error: PaystreamError, { attempt, postponedMs }: Tries, retry: Bounds): 'postpone' | 'retry' | 'dead-letter' {
  // What is too large has these codes too, and a stale version that the message carries: no wait changes those.
  const mayPass = error.retryable && (contended.has(error.code) || ofOneTopic.has(error.reason));
  if (mayPass && postponedMs < retry.maxPostponedMs) return 'postpone';
  if (hopeless.has(error.code) && !error.retryable) return 'dead-letter';
  return attempt >= retry.attempts ? 'dead-letter' : 'retry';
}
