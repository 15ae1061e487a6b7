import { type ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import { codeFor, holdsItsTopic, type Subject } from '../pulsar-adapter/subject.ts';

const results: Readonly<Record<string, readonly [code: ErrorCode, reason: string]>> = {
  Retryable: ['UNAVAILABLE', 'PULSAR_UNAVAILABLE'],
  UnknownError: ['INTERNAL', 'PULSAR_ERROR'],
  InvalidConfiguration: ['INVALID_ARGUMENT', 'BAD_OPTIONS'],
  TimeOut: ['UNAVAILABLE', 'PULSAR_TIMEOUT'],
  LookupError: ['UNAVAILABLE', 'PULSAR_UNREACHABLE'],
  ConnectError: ['UNAVAILABLE', 'PULSAR_UNREACHABLE'],
  ReadError: ['UNAVAILABLE', 'PULSAR_UNREACHABLE'],
  NotConnected: ['UNAVAILABLE', 'PULSAR_UNREACHABLE'],
  Disconnected: ['UNAVAILABLE', 'PULSAR_UNREACHABLE'],
  AuthenticationError: ['UNAUTHENTICATED', 'PULSAR_CREDENTIALS_REFUSED'],
  ErrorGettingAuthenticationData: ['UNAUTHENTICATED', 'PULSAR_CREDENTIALS_REFUSED'],
  AuthorizationError: ['PERMISSION_DENIED', 'PULSAR_NOT_AUTHORIZED'],
  BrokerMetadataError: ['UNAVAILABLE', 'PULSAR_UNAVAILABLE'],
  BrokerPersistenceError: ['UNAVAILABLE', 'PULSAR_UNAVAILABLE'],
  ServiceUnitNotReady: ['UNAVAILABLE', 'PULSAR_UNAVAILABLE'],
  TooManyLookupRequestException: ['UNAVAILABLE', 'PULSAR_UNAVAILABLE'],
  ChecksumError: ['DATA_LOSS', 'MESSAGE_CORRUPT'],
  CryptoError: ['FAILED_PRECONDITION', 'ENCRYPTION_FAILED'],
  ConsumerBusy: ['FAILED_PRECONDITION', 'SUBSCRIPTION_BUSY'],
  ConsumerAssignError: ['FAILED_PRECONDITION', 'SUBSCRIPTION_BUSY'],
  ProducerBusy: ['FAILED_PRECONDITION', 'PRODUCER_BUSY'],
  ProducerFenced: ['FAILED_PRECONDITION', 'PRODUCER_FENCED'],
  TopicNotFound: ['NOT_FOUND', 'TOPIC_NOT_FOUND'],
  SubscriptionNotFound: ['NOT_FOUND', 'SUBSCRIPTION_NOT_FOUND'],
  ConsumerNotFound: ['UNAVAILABLE', 'PULSAR_UNAVAILABLE'],
  TopicTerminated: ['FAILED_PRECONDITION', 'TOPIC_TERMINATED'],
  InvalidTopicName: ['INVALID_ARGUMENT', 'BAD_OPTIONS'],
  InvalidUrl: ['INVALID_ARGUMENT', 'BAD_OPTIONS'],
  InvalidMessage: ['INVALID_ARGUMENT', 'BAD_MESSAGE'],
  MessageTooBig: ['INVALID_ARGUMENT', 'MESSAGE_TOO_LARGE'],
  IncompatibleSchema: ['FAILED_PRECONDITION', 'INCOMPATIBLE_SCHEMA'],
  ProducerBlockedQuotaExceededError: ['RESOURCE_EXHAUSTED', 'BACKLOG_QUOTA_EXCEEDED'],
  ProducerBlockedQuotaExceededException: ['RESOURCE_EXHAUSTED', 'BACKLOG_QUOTA_EXCEEDED'],
  ProducerQueueIsFull: ['RESOURCE_EXHAUSTED', 'SEND_QUEUE_FULL'],
  MemoryBufferIsFull: ['RESOURCE_EXHAUSTED', 'PULSAR_MEMORY_LIMIT'],
  NotAllowedError: ['FAILED_PRECONDITION', 'PULSAR_FORBIDS_IT'],
  OperationNotSupported: ['UNSUPPORTED', 'PULSAR_CANNOT_DO_IT'],
  UnsupportedVersionError: ['UNSUPPORTED', 'PULSAR_CANNOT_DO_IT'],
  Interrupted: ['CANCELED', 'ABORTED_BY_CALLER'],
};

/** The addon names the result behind a colon, and some with a prefix: `Failed to send message: TimeOut`, `…: ResultDisconnected`. */
function resultOf(error: unknown): string | undefined {
  return error instanceof Error ? /: (?:Result)?([A-Z][A-Za-z]+)$/.exec(error.message)?.[1] : undefined;
}

/** Whether it says that the thing is closed already. */
export function saysClosed(error: unknown): boolean {
  return resultOf(error) === 'AlreadyClosed';
}

/** Whether it says that a subscription is there, and somebody has it in a way that keeps others off. */
export function saysBusy(error: unknown): boolean {
  const result = resultOf(error);
  return result === 'ConsumerBusy' || result === 'ConsumerAssignError';
}

/** It names a second seek while one is under way as it names what a broker does not allow; brokers answer no seek so. */
function meantBy(result: string, error: unknown): string {
  const isSeek = result === 'NotAllowedError' && /^Failed to seek /.test((error as Error).message);
  return isSeek ? 'ServiceUnitNotReady' : result;
}

/** What a thing that failed in the addon means to a user of the port. */
export function fromAddon(error: unknown, subject: Subject): PaystreamError {
  const { what, details, closed } = subject;
  const result = resultOf(error);
  if (PaystreamError.is(error) || result === undefined) return PaystreamError.from(error);
  if (result === 'AlreadyClosed') return closed();
  const [code, reason] = results[meantBy(result, error)] ?? ['INTERNAL', 'PULSAR_ERROR'];
  return new PaystreamError(codeFor(code, subject), `${what}: ${(error as Error).message}`, {
    reason,
    ...(holdsItsTopic(reason, subject) ? { retryable: true } : {}),
    details: { ...details, result },
    cause: error,
  });
}
