import { Metadata, type ServerErrorResponse } from '@grpc/grpc-js';
import type { PaystreamError } from '../errors/paystream-error.ts';
import { grpcCodeOf } from '../rpc/codes.ts';
import { encodeStatus, wireMessage } from '../rpc/status.ts';

/** An error as grpc-js sends it: code, text, and the whole `google.rpc.Status` in `grpc-status-details-bin`. */
export function serviceErrorOf(error: PaystreamError): ServerErrorResponse {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(encodeStatus(error)));
  const details = wireMessage(error.message);
  return { name: error.name, message: details, code: grpcCodeOf(error.code), details, metadata };
}
