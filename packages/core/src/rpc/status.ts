import { create, type DescMessage, fromBinary, type Message, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack, durationFromMs } from '@bufbuild/protobuf/wkt';
import { type ErrorCode, type FieldViolation, PaystreamError } from '../errors/paystream-error.ts';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '../gen/google/rpc/error_details_pb.ts';
import { type Status, StatusSchema } from '../gen/google/rpc/status_pb.ts';
import { errorCodeOfGrpc, grpcCodeOf } from './codes.ts';

const domain = 'paystream';
const retryAfter = 'retryAfterMs';
/** What is away or overloaded, and does not know for how long. */
const usualRetryAfterMs = 1_000;

// Error details travel in HTTP trailers. Proxies and clients commonly cut those off at 8 KiB, base64 included.
const longestMessage = 1_024;
const longestDescription = 256;
const violationsBudget = 4_096;

/** A message that says more about an error, with its schema. */
export interface ErrorDetail {
  readonly desc: DescMessage;
  readonly value: Message;
}

function detail<D extends DescMessage>(desc: D, init: MessageInitShape<D>): ErrorDetail {
  return { desc, value: create(desc, init) };
}

/** The text of an error as it may travel: well-formed and bounded. */
export function wireMessage(message: string): string {
  return (message.length > longestMessage ? `${message.slice(0, longestMessage)}…` : message).toWellFormed();
}

function wireViolations(violations: readonly FieldViolation[]): FieldViolation[] {
  const kept: FieldViolation[] = [];
  let size = 0;
  for (const { field, description } of violations) {
    const text = description.slice(0, longestDescription).toWellFormed();
    size += field.length + text.length;
    if (size > violationsBudget && kept.length > 0) break;
    kept.push({ field: field.slice(0, longestDescription).toWellFormed(), description: text });
  }
  return kept;
}

function wireMetadata(error: PaystreamError): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(error.details)) metadata[name] = value.slice(0, longestDescription).toWellFormed();
  // Told only where the code does not say it.
  if (error.retryable !== new PaystreamError(error.code, '', { reason: '' }).retryable) metadata['retryable'] = String(error.retryable);
  return metadata;
}

/**
 * After how long the same call may be tried again, in milliseconds: what the detail `retryAfterMs` says, a second for what is
 * `UNAVAILABLE` or `RESOURCE_EXHAUSTED` and may be tried again, otherwise nothing.
 */
function retryAfterMsOf(error: PaystreamError): number | undefined {
  const given = Number(error.details[retryAfter]);
  if (given > 0) return Math.ceil(given);
  const passes = error.retryable && (error.code === 'UNAVAILABLE' || error.code === 'RESOURCE_EXHAUSTED');
  return passes ? usualRetryAfterMs : undefined;
}

/** The header `Retry-After` of an error, which counts whole seconds; none where there is nothing to wait for. */
export function retryAfterHeader(error: PaystreamError): Readonly<Record<string, string>> {
  const afterMs = retryAfterMsOf(error);
  return afterMs === undefined ? {} : { 'retry-after': String(Math.ceil(afterMs / 1_000)) };
}

/**
 * What says more about an error on the wire: always an `ErrorInfo` with the reason and the details, a `BadRequest` if
 * fields break rules, a `RetryInfo` if there is something to wait for.
 *
 * @see https://google.aip.dev/193
 */
export function errorDetailsOf(error: PaystreamError): ErrorDetail[] {
  const details = [detail(ErrorInfoSchema, { reason: error.reason, domain, metadata: wireMetadata(error) })];
  if (error.violations.length > 0) details.push(detail(BadRequestSchema, { fieldViolations: wireViolations(error.violations) }));
  const delayMs = retryAfterMsOf(error);
  if (delayMs !== undefined) details.push(detail(RetryInfoSchema, { retryDelay: durationFromMs(delayMs) }));
  return details;
}

/** The `google.rpc.Status` of an error, encoded: the value of `grpc-status-details-bin`. */
export function encodeStatus(error: PaystreamError): Uint8Array {
  const details = errorDetailsOf(error).map(({ desc, value }) => anyPack(desc, value));
  return toBinary(StatusSchema, create(StatusSchema, { code: grpcCodeOf(error.code), message: wireMessage(error.message), details }));
}

/** What {@link errorFromDetails} needs to know of an error that came over the wire. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly cause: unknown;
  /** Finds the first detail of a type. */
  find<D extends DescMessage>(desc: D): MessageShape<D> | undefined;
}

/** Puts an error together again from its code, message and details. */
export function errorFromDetails(wire: WireError): PaystreamError {
  const info = wire.find(ErrorInfoSchema);
  const { retryable, ...details } = info?.metadata ?? {};
  return new PaystreamError(wire.code, wire.message, {
    reason: info?.reason || `RPC_${wire.code}`,
    ...(retryable === undefined ? {} : { retryable: retryable === 'true' }),
    details,
    violations: wire.find(BadRequestSchema)?.fieldViolations.map(({ field, description }) => ({ field, description })) ?? [],
    cause: wire.cause,
  });
}

/** Reads an encoded `google.rpc.Status`. Where there is none, or it is none, the error has the fallback's code and message. */
export function decodeStatus(
  bytes: Uint8Array | undefined,
  fallback: { readonly code: ErrorCode; readonly message: string },
  cause: unknown,
): PaystreamError {
  const status = bytes === undefined ? undefined : parseStatus(bytes);
  return errorFromDetails({
    code: status === undefined ? fallback.code : errorCodeOfGrpc(status.code),
    message: status?.message || fallback.message,
    cause,
    find: (desc) => {
      for (const any of status?.details ?? []) {
        const found = anyUnpack(any, desc);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  });
}

function parseStatus(bytes: Uint8Array): Status | undefined {
  try {
    const status = fromBinary(StatusSchema, bytes);
    return status.code === 0 ? undefined : status;
  } catch {
    // A foreign server may send something else; the code and the message stand without it.
    return undefined;
  }
}
