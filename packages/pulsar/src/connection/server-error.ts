import { PulsarError, type PulsarErrorCode } from '../errors/pulsar-error.ts';
import type { ServerError } from '../gen/pulsar/wire_pb.ts';

interface Meaning {
  readonly name: string;
  readonly code: PulsarErrorCode;
  /** Default: as the code says. */
  readonly retryable?: boolean;
}

// By the number that the protocol gives the error.
const meanings: readonly Meaning[] = [
  { name: 'UnknownError', code: 'BROKER', retryable: true },
  { name: 'MetadataError', code: 'BROKER', retryable: true },
  { name: 'PersistenceError', code: 'UNAVAILABLE' },
  { name: 'AuthenticationError', code: 'AUTHENTICATION' },
  { name: 'AuthorizationError', code: 'AUTHORIZATION' },
  { name: 'ConsumerBusy', code: 'CONSUMER_BUSY' },
  { name: 'ServiceNotReady', code: 'UNAVAILABLE' },
  { name: 'ProducerBlockedQuotaExceededError', code: 'QUOTA_EXCEEDED', retryable: true },
  { name: 'ProducerBlockedQuotaExceededException', code: 'QUOTA_EXCEEDED', retryable: true },
  { name: 'ChecksumError', code: 'CORRUPT', retryable: true },
  { name: 'UnsupportedVersionError', code: 'UNSUPPORTED' },
  { name: 'TopicNotFound', code: 'TOPIC_NOT_FOUND' },
  { name: 'SubscriptionNotFound', code: 'SUBSCRIPTION_NOT_FOUND' },
  { name: 'ConsumerNotFound', code: 'NOT_CONNECTED' },
  { name: 'TooManyRequests', code: 'UNAVAILABLE' },
  { name: 'TopicTerminatedError', code: 'TOPIC_TERMINATED' },
  { name: 'ProducerBusy', code: 'PRODUCER_BUSY' },
  { name: 'InvalidTopicName', code: 'INVALID_ARGUMENT' },
  { name: 'IncompatibleSchema', code: 'INCOMPATIBLE_SCHEMA' },
  { name: 'ConsumerAssignError', code: 'CONSUMER_BUSY' },
  { name: 'TransactionCoordinatorNotFound', code: 'UNAVAILABLE' },
  { name: 'InvalidTxnStatus', code: 'TRANSACTION_STATE' },
  { name: 'NotAllowedError', code: 'NOT_ALLOWED' },
  { name: 'TransactionConflict', code: 'TRANSACTION_CONFLICT' },
  { name: 'TransactionNotFound', code: 'TRANSACTION_NOT_FOUND' },
  { name: 'ProducerFenced', code: 'PRODUCER_FENCED' },
];

// Where the broker reports a call that makes no sense as a failure of its metadata.
const finalMetadataErrors: ReadonlySet<string> = new Set(['SEEK', 'UNSUBSCRIBE']);

/** The typed error of what a broker reported about `command`. */
export function serverError(error: ServerError, message: string | undefined, command: string): PulsarError {
  const { name, code, retryable } = meanings[error] ?? { name: `error ${error}`, code: 'BROKER' };
  const final = name === 'MetadataError' && finalMetadataErrors.has(command);
  return new PulsarError(code, `${command} failed with ${name}: ${message || 'the broker gave no reason'}`, {
    command,
    serverError: name,
    ...(retryable === undefined ? {} : { retryable: retryable && !final }),
  });
}
