/** All that {@link ErrorCode} may be. */
export const errorCodes = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION',
  'PERMISSION_DENIED',
  'UNAUTHENTICATED',
  'RESOURCE_EXHAUSTED',
  'ABORTED',
  'CANCELED',
  'DEADLINE_EXCEEDED',
  'UNAVAILABLE',
  'UNSUPPORTED',
  'DATA_LOSS',
  'INTERNAL',
] as const;

/** What kind of failure an error is. Closed: every error of every package has one of these, and each maps to one gRPC code. */
export type ErrorCode = (typeof errorCodes)[number];

/** One field of a request that breaks a rule. */
export interface FieldViolation {
  /** The path of the field: `items[0].quantity`. */
  readonly field: string;
  /** What is wrong with it and what would be right, for a person to read. */
  readonly description: string;
}

/** What an error is made of. */
export interface PaystreamErrorOptions {
  /** A stable name of the exact cause in upper snake case: `MYSQL_CONNECT_REFUSED`. Callers may branch on it. */
  readonly reason: string;
  /** Whether the same call may succeed later. Default: true for `UNAVAILABLE`, `ABORTED` and `RESOURCE_EXHAUSTED`. */
  readonly retryable?: boolean;
  /** Facts for programs: ids, limits, values that are no secret. */
  readonly details?: Readonly<Record<string, string>>;
  /** The fields that break a rule; only with `INVALID_ARGUMENT`. */
  readonly violations?: readonly FieldViolation[];
  /** What caused it. */
  readonly cause?: unknown;
}

const brand = Symbol.for('paystream.error');
const retryableCodes: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['UNAVAILABLE', 'ABORTED', 'RESOURCE_EXHAUSTED']);

/**
 * The one error class of all Paystream packages.
 *
 * Recognise it with {@link PaystreamError.is}, which works across copies of the package, not with `instanceof`.
 */
export class PaystreamError extends Error {
  override readonly name = 'PaystreamError';
  /** What kind of failure it is. */
  readonly code: ErrorCode;
  /** The exact cause, a stable name. */
  readonly reason: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** Facts for programs. */
  readonly details: Readonly<Record<string, string>>;
  /** The fields that break a rule. */
  readonly violations: readonly FieldViolation[];

  constructor(code: ErrorCode, message: string, options: PaystreamErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = options.reason;
    this.retryable = options.retryable ?? retryableCodes.has(code);
    this.details = options.details ?? {};
    this.violations = options.violations ?? [];
    Object.defineProperty(this, brand, { value: true });
  }

  /** Whether a value is a `PaystreamError`, of this copy of the package or another. */
  static is(value: unknown): value is PaystreamError {
    return typeof value === 'object' && value !== null && (value as { [brand]?: unknown })[brand] === true;
  }

  /**
   * Turns anything thrown into a `PaystreamError`: itself if it is one, `CANCELED` for an aborted signal, otherwise
   * `INTERNAL` with the value as its cause.
   */
  static from(value: unknown): PaystreamError {
    if (PaystreamError.is(value)) return value;
    if (value instanceof Error) {
      if (value.name === 'AbortError') return new PaystreamError('CANCELED', value.message, { reason: 'ABORTED_BY_CALLER', cause: value });
      if (value.name === 'TimeoutError')
        return new PaystreamError('DEADLINE_EXCEEDED', value.message, { reason: 'TIMED_OUT', cause: value });
      return new PaystreamError('INTERNAL', value.message, { reason: 'UNEXPECTED', cause: value });
    }
    return new PaystreamError('INTERNAL', String(value), { reason: 'UNEXPECTED', cause: value });
  }

  /** `PaystreamError [CODE] REASON: message`, as a log or a terminal shows it. */
  override toString(): string {
    return `PaystreamError [${this.code}] ${this.reason}: ${this.message}`;
  }
}
