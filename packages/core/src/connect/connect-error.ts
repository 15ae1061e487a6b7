import { ConnectError } from '@connectrpc/connect';
import type { PaystreamError } from '../errors/paystream-error.ts';
import { grpcCodeOf } from '../rpc/codes.ts';
import { errorDetailsOf, retryAfterHeader, wireMessage } from '../rpc/status.ts';

/** An error as Connect sends it. Its codes have gRPC's numbers. */
export function connectErrorOf(error: PaystreamError): ConnectError {
  const details = errorDetailsOf(error).map(({ desc, value }) => ({ desc, value }));
  return new ConnectError(wireMessage(error.message), grpcCodeOf(error.code), retryAfterHeader(error), details, error);
}
