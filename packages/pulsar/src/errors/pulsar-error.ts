/** What kind of failure an error is. Closed: every error of the client has one of these. */
export type PulsarErrorCode =
  /** An option or argument makes no sense. */
  | 'INVALID_ARGUMENT'
  /** The broker cannot be reached, or the connection was lost, and the operation's time is up. */
  | 'NOT_CONNECTED'
  /** No answer within the time given. */
  | 'TIMEOUT'
  /** The client, producer, consumer or reader is closed. */
  | 'ALREADY_CLOSED'
  /** The caller's signal was aborted. */
  | 'CANCELED'
  /** Credentials were refused. */
  | 'AUTHENTICATION'
  /** The credentials do not allow it. */
  | 'AUTHORIZATION'
  | 'TOPIC_NOT_FOUND'
  | 'SUBSCRIPTION_NOT_FOUND'
  /** The topic is terminated: nothing more is published to it. */
  | 'TOPIC_TERMINATED'
  /** Another producer has the name, or exclusive access. */
  | 'PRODUCER_BUSY'
  /** Another producer took exclusive access; this one is over. */
  | 'PRODUCER_FENCED'
  /** Another consumer has the subscription, or its type or key ranges do not fit. */
  | 'CONSUMER_BUSY'
  /** The broker's backlog quota is used up. */
  | 'QUOTA_EXCEEDED'
  /** Too many messages wait to be sent. */
  | 'QUEUE_FULL'
  /** The memory limit of the client is reached. */
  | 'MEMORY_LIMIT'
  /** A message is larger than the broker takes. */
  | 'MESSAGE_TOO_LARGE'
  /** Bytes are not what their checksum, codec or schema says. */
  | 'CORRUPT'
  | 'INCOMPATIBLE_SCHEMA'
  /** A value does not fit its schema. */
  | 'INVALID_MESSAGE'
  | 'TRANSACTION_CONFLICT'
  | 'TRANSACTION_NOT_FOUND'
  /** The transaction is not open any more. */
  | 'TRANSACTION_STATE'
  /** The broker is not ready, overloaded or cannot store; the same call may succeed later. */
  | 'UNAVAILABLE'
  /** The broker forbids it by its configuration. */
  | 'NOT_ALLOWED'
  /** The broker, or this platform, cannot do it. */
  | 'UNSUPPORTED'
  /** The peer broke the protocol. */
  | 'PROTOCOL'
  /** Anything else the broker reports. */
  | 'BROKER';

/** What an error is made of. */
export interface PulsarErrorOptions {
  /** Whether the same call may succeed later. Default: true for `NOT_CONNECTED`, `TIMEOUT`, `QUEUE_FULL`, `MEMORY_LIMIT` and `UNAVAILABLE`. */
  readonly retryable?: boolean;
  /** The command that failed: `SUBSCRIBE`. */
  readonly command?: string | undefined;
  /** The broker's own name of the error: `ConsumerBusy`. */
  readonly serverError?: string | undefined;
  /** What it follows from. */
  readonly cause?: unknown;
}

const brand = Symbol.for('paystream.pulsar.error');
const retryableCodes: ReadonlySet<PulsarErrorCode> = new Set<PulsarErrorCode>([
  'NOT_CONNECTED',
  'TIMEOUT',
  'QUEUE_FULL',
  'MEMORY_LIMIT',
  'UNAVAILABLE',
]);

/** The one error class of the client. Recognise it with {@link PulsarError.is}, which works across copies of the package. */
export class PulsarError extends Error {
  override readonly name = 'PulsarError';
  readonly code: PulsarErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** The command that failed, if one did. */
  readonly command: string | undefined;
  /** The broker's own name of the error, if it sent one. */
  readonly serverError: string | undefined;

  constructor(code: PulsarErrorCode, message: string, options: PulsarErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? retryableCodes.has(code);
    this.command = options.command;
    this.serverError = options.serverError;
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether a value is a `PulsarError`, of this copy of the package or another. */
  static is(value: unknown): value is PulsarError {
    return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === true;
  }
}
