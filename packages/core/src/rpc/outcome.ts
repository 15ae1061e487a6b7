import type { ErrorCode, PaystreamError } from '../errors/paystream-error.ts';
import type { SpanAttributes } from '../telemetry/port.ts';
import { httpStatusOf } from './codes.ts';

/** The reason of the error for a request that is too large. */
export const requestTooLarge = 'REQUEST_TOO_LARGE' as const;
/** The reason of the error for a request that does not say that it is JSON. */
export const contentTypeUnsupported = 'CONTENT_TYPE_UNSUPPORTED' as const;

const statuses: ReadonlyMap<string, number> = new Map([
  [requestTooLarge, 413],
  [contentTypeUnsupported, 415],
]);

/** The HTTP status with which a route answers an error. */
export function httpStatusOfError({ code, reason }: PaystreamError): number {
  return statuses.get(reason) ?? httpStatusOf(code);
}

/** Whether an error is the server's own: all others are answers that a client asked for. gRPC and Connect draw the line where HTTP does. */
export function isServerFault(code: ErrorCode): boolean {
  return httpStatusOf(code) >= 500;
}

const grpcNames: ReadonlyMap<string, string> = new Map([
  ['CANCELED', 'CANCELLED'],
  ['UNSUPPORTED', 'UNIMPLEMENTED'],
]);

function statusNameOf(system: string, code: ErrorCode): string {
  if (system !== 'connectrpc') return grpcNames.get(code) ?? code;
  return code === 'UNSUPPORTED' ? 'unimplemented' : code.toLowerCase();
}

/**
 * How an RPC ended, in the words of its system and by the names of the semantic conventions.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/rpc/
 */
export function rpcOutcome(system: string, code: ErrorCode | 'OK'): SpanAttributes {
  if (code === 'OK') return { 'rpc.status_code': code };
  const name = statusNameOf(system, code);
  return isServerFault(code) ? { 'rpc.status_code': name, 'error.type': name } : { 'rpc.status_code': name };
}

/**
 * How a request to a route ended; `undefined` if nothing was sent.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/http/
 */
export function httpOutcome(status: number | undefined): SpanAttributes {
  if (status === undefined) return {};
  return status >= 500 ? { 'http.response.status_code': status, 'error.type': String(status) } : { 'http.response.status_code': status };
}
