import { create, toJson } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { PaystreamError, type RpcService } from '@paystream/core';
import { CreateOrderRequestSchema, CreateOrderResponseSchema, OrderService } from '@paystream/core/contracts';
import type { HttpRoute } from '@paystream/core/server';

const defaultWaitMs = 30_000;

/**
 * `POST /api/v1/checkout`: the plain REST way to place an order. Takes the JSON form of `CreateOrderRequest`, whose request
 * id may stand in the header `idempotency-key` instead, waits for the result (30 s unless `wait` says otherwise) and
 * answers with the order.
 */
export function checkoutRoute(orders: RpcService): HttpRoute {
  const createOrder: unknown = Reflect.get(orders.implementation, OrderService.method.createOrder.localName);
  if (typeof createOrder !== 'function') {
    throw new PaystreamError('INTERNAL', 'the order service has no CreateOrder', { reason: 'METHOD_MISSING' });
  }
  return {
    method: 'POST',
    path: '/api/v1/checkout',
    handle: async (request) => {
      const key = request.headers['idempotency-key'];
      const message = await request.message(CreateOrderRequestSchema, (given) => {
        if (given.requestId === '' && typeof key === 'string') given.requestId = key;
        given.wait ??= durationFromMs(defaultWaitMs);
      });
      const answer = create(CreateOrderResponseSchema, await createOrder(message, request.context));
      return { status: 200, body: toJson(CreateOrderResponseSchema, answer) };
    },
  };
}
