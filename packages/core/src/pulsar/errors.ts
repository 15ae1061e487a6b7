import { PulsarError, type PulsarErrorCode } from '@paystream/pulsar';
import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import { codeFor, holdsItsTopic, type Subject } from '../pulsar-adapter/subject.ts';

const codes: Readonly<Record<PulsarErrorCode, readonly [code: ErrorCode, reason: string]>> = {
  INVALID_ARGUMENT: ['INVALID_ARGUMENT', 'BAD_OPTIONS'],
  NOT_CONNECTED: ['UNAVAILABLE', 'PULSAR_UNREACHABLE'],
  TIMEOUT: ['UNAVAILABLE', 'PULSAR_TIMEOUT'],
  ALREADY_CLOSED: ['FAILED_PRECONDITION', 'BROKER_CLOSED'],
  CANCELED: ['CANCELED', 'ABORTED_BY_CALLER'],
  AUTHENTICATION: ['UNAUTHENTICATED', 'PULSAR_CREDENTIALS_REFUSED'],
  AUTHORIZATION: ['PERMISSION_DENIED', 'PULSAR_NOT_AUTHORIZED'],
  TOPIC_NOT_FOUND: ['NOT_FOUND', 'TOPIC_NOT_FOUND'],
  SUBSCRIPTION_NOT_FOUND: ['NOT_FOUND', 'SUBSCRIPTION_NOT_FOUND'],
  TOPIC_TERMINATED: ['FAILED_PRECONDITION', 'TOPIC_TERMINATED'],
  PRODUCER_BUSY: ['FAILED_PRECONDITION', 'PRODUCER_BUSY'],
  PRODUCER_FENCED: ['FAILED_PRECONDITION', 'PRODUCER_FENCED'],
  CONSUMER_BUSY: ['FAILED_PRECONDITION', 'SUBSCRIPTION_BUSY'],
  QUOTA_EXCEEDED: ['RESOURCE_EXHAUSTED', 'BACKLOG_QUOTA_EXCEEDED'],
  QUEUE_FULL: ['RESOURCE_EXHAUSTED', 'SEND_QUEUE_FULL'],
  MEMORY_LIMIT: ['RESOURCE_EXHAUSTED', 'PULSAR_MEMORY_LIMIT'],
  MESSAGE_TOO_LARGE: ['INVALID_ARGUMENT', 'MESSAGE_TOO_LARGE'],
  CORRUPT: ['DATA_LOSS', 'MESSAGE_CORRUPT'],
  INCOMPATIBLE_SCHEMA: ['FAILED_PRECONDITION', 'INCOMPATIBLE_SCHEMA'],
  INVALID_MESSAGE: ['INVALID_ARGUMENT', 'BAD_MESSAGE'],
  TRANSACTION_CONFLICT: ['ABORTED', 'TRANSACTION_CONFLICT'],
  TRANSACTION_NOT_FOUND: ['NOT_FOUND', 'TRANSACTION_NOT_FOUND'],
  TRANSACTION_STATE: ['FAILED_PRECONDITION', 'TRANSACTION_STATE'],
  UNAVAILABLE: ['UNAVAILABLE', 'PULSAR_UNAVAILABLE'],
  NOT_ALLOWED: ['FAILED_PRECONDITION', 'PULSAR_FORBIDS_IT'],
  UNSUPPORTED: ['UNSUPPORTED', 'PULSAR_CANNOT_DO_IT'],
  PROTOCOL: ['INTERNAL', 'PULSAR_PROTOCOL'],
  BROKER: ['INTERNAL', 'PULSAR_ERROR'],
};

/** What a thing that failed in the client means to a user of the port. */
export function fromPulsar(error: unknown, subject: Subject): PaystreamError {
  const { what, details, closed } = subject;
  if (!PulsarError.is(error)) return PaystreamError.from(error);
  if (error.code === 'ALREADY_CLOSED') return closed();
  const [code, reason] = codes[error.code];
  // What the broker reports and says to be passing is an outage, whatever its name.
  const passing = code === 'INTERNAL' && error.retryable;
  const retryable = error.retryable || holdsItsTopic(reason, subject);
  return new PaystreamError(passing ? 'UNAVAILABLE' : codeFor(code, subject), `${what}: ${error.message}`, {
    reason: passing ? 'PULSAR_UNAVAILABLE' : reason,
    // That the client does not try again by itself says nothing of later: a backlog shrinks, and another transaction ends. The code tells.
    ...(retryable ? { retryable } : {}),
    details: error.serverError === undefined ? details : { ...details, serverError: error.serverError },
    cause: error,
  });
}
