import { hash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { protobuf } from '@paystream/core';
import { type CreateOrderRequest, CreateOrderRequestSchema } from '@paystream/core/contracts';

const requests = protobuf(CreateOrderRequestSchema);

/** A hash of what a request asks for. How long the client waits is no part of it: a retry may wait longer. */
export function fingerprintOf(request: CreateOrderRequest): Uint8Array {
  const { wait: _, ...content } = request;
  return hash('sha256', requests.encode(create(CreateOrderRequestSchema, content)), 'buffer');
}

/** Whether two fingerprints are of the same content. */
export function sameFingerprint(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
