import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { PaystreamError } from '../errors/paystream-error.ts';
import { errorCodeOfGrpc } from './codes.ts';
import { decodeStatus, errorFromDetails } from './status.ts';

interface GrpcServiceError {
  readonly code: number;
  readonly details: string;
  readonly metadata: { get(name: string): readonly (string | Uint8Array)[] };
}

interface ConnectErrorShape {
  readonly code: number;
  readonly cause?: unknown;
  readonly rawMessage: string;
  findDetails<D extends DescMessage>(desc: D): MessageShape<D>[];
}

function isGrpcError(value: object): value is GrpcServiceError {
  const error = value as Partial<GrpcServiceError>;
  return typeof error.code === 'number' && typeof error.details === 'string' && typeof error.metadata?.get === 'function';
}

function isConnectError(value: object): value is ConnectErrorShape {
  const error = value as Partial<ConnectErrorShape>;
  return typeof error.code === 'number' && typeof error.rawMessage === 'string' && typeof error.findDetails === 'function';
}

// What Node says of a connection that broke. Connect takes some of them for faults of its own.
const brokenConnection: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

function connectionBroke(cause: unknown): boolean {
  return typeof cause === 'object' && cause !== null && 'code' in cause && brokenConnection.has(cause.code);
}

/**
 * Turns what a gRPC or Connect client threw into the `PaystreamError` that the server threw: code, reason, details, field
 * violations. An error that says no reason (of a proxy, of the client itself) has the reason `RPC_` and its code. Anything
 * else goes through `PaystreamError.from`.
 *
 * @example
 * ```ts
 * try {
 *   await client.createOrder(request);
 * } catch (thrown) {
 *   const error = errorFromRpc(thrown);
 *   if (error.reason === 'PRODUCT_UNKNOWN') console.log(error.details);
 * }
 * ```
 */
export function errorFromRpc(thrown: unknown): PaystreamError {
  if (PaystreamError.is(thrown) || typeof thrown !== 'object' || thrown === null) return PaystreamError.from(thrown);
  if (isGrpcError(thrown)) {
    const code = errorCodeOfGrpc(thrown.code);
    const status = thrown.metadata.get('grpc-status-details-bin')[0];
    return decodeStatus(status instanceof Uint8Array ? status : undefined, { code, message: thrown.details }, thrown);
  }
  if (isConnectError(thrown)) {
    if (connectionBroke(thrown.cause)) {
      return new PaystreamError('UNAVAILABLE', `The connection broke: ${thrown.rawMessage}`, { reason: 'CONNECTION_BROKE', cause: thrown });
    }
    return errorFromDetails({
      code: errorCodeOfGrpc(thrown.code),
      message: thrown.rawMessage,
      cause: thrown,
      find: (desc) => thrown.findDetails(desc)[0],
    });
  }
  return PaystreamError.from(thrown);
}
