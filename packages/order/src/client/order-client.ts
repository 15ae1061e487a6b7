import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { createIdGenerator, PaystreamError, systemClock, systemRandom } from '@paystream/core';
import {
  CancelOrderRequestSchema,
  type CreateOrderRequest,
  CreateOrderRequestSchema,
  GetOrderRequestSchema,
  ListOrdersRequestSchema,
  msFromDuration,
  type Order,
  OrderService,
  WaitOrderRequestSchema,
  WatchOrderRequestSchema,
} from '@paystream/core/contracts';
import { isFinalState } from '../order/states.ts';
import { createConnectTransport } from './connect-transport.ts';
import { createGrpcTransport } from './grpc-transport.ts';
import type { OrderClient, OrderClientOptions } from './port.ts';
import { mayPass, type RetryOptions, waitToRetry, withRetry } from './retry.ts';
import type { ClientTransport, TransportCall } from './transport.ts';
import { watchResumed } from './watch.ts';

const maxWaitMs = 120_000;
const defaultWaitMs = 30_000;

function parseUrl(baseUrl: string): URL {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new PaystreamError('INVALID_ARGUMENT', `"${baseUrl}" is not a base URL such as "http://localhost:50051"`, {
    reason: 'INVALID_BASE_URL',
  });
}

function present(order: Order | undefined): Order {
  if (order !== undefined) return order;
  throw new PaystreamError('INTERNAL', 'the service answered without an order', { reason: 'EMPTY_ANSWER' });
}

/** The same error, with the id by which the caller may try again. */
function withRequestId(thrown: unknown, requestId: string): PaystreamError {
  const error = PaystreamError.from(thrown);
  const { reason, retryable, violations } = error;
  return new PaystreamError(error.code, error.message, {
    reason,
    retryable,
    violations,
    details: { ...error.details, requestId },
    cause: error,
  });
}

/**
 * Makes a client of an order service. Connects when first used; the package of the protocol is loaded then too.
 *
 * Throws `INVALID_ARGUMENT` / `INVALID_BASE_URL`; calls reject with `FAILED_PRECONDITION` / `PACKAGE_MISSING` if the
 * protocol's package is not installed.
 *
 * @example
 * const orders = createOrderClient({ baseUrl: 'http://localhost:50051' });
 * const order = await orders.placeAndWait({ merchantId: 'm-1', customer, paymentMethod, items: [{ productId: 'tea', quantity: 2 }] });
 */
export function createOrderClient(options: OrderClientOptions): OrderClient {
  const { protocol = 'grpc', apiKey, timeoutMs = 10_000, clock = systemClock, random = systemRandom } = options;
  const baseUrl = parseUrl(options.baseUrl);
  const retry: RetryOptions = { attempts: options.attempts ?? 5, delayMs: options.retryDelayMs ?? 100, clock, random };
  const nextId = createIdGenerator(clock, random);
  let opening: Promise<ClientTransport> | undefined;
  let closed = false;

  const transport = (): Promise<ClientTransport> => {
    if (closed) throw new PaystreamError('FAILED_PRECONDITION', 'the client is closed', { reason: 'CLIENT_CLOSED' });
    opening ??= protocol === 'grpc' ? createGrpcTransport({ baseUrl, apiKey }) : createConnectTransport({ baseUrl, apiKey });
    return opening;
  };
  const repeat = <T>(
    signal: AbortSignal | undefined,
    waitMs: number,
    call: (over: ClientTransport, how: TransportCall) => Promise<T>,
  ): Promise<T> => withRetry(retry, signal, async () => call(await transport(), { signal, timeoutMs: timeoutMs + waitMs }));

  const place = async (request: CreateOrderRequest, signal: AbortSignal | undefined): Promise<Order> => {
    if (request.requestId === '') request.requestId = nextId();
    const waitMs = msFromDuration(request.wait) ?? 0;
    try {
      const { order } = await repeat(signal, waitMs, (over, how) => over.unary(OrderService.method.createOrder, request, how));
      return present(order);
    } catch (error) {
      throw withRequestId(error, request.requestId);
    }
  };

  const client: Omit<OrderClient, 'placeAndWait' | typeof Symbol.asyncDispose> = {
    createOrder: async (input, { signal } = {}) => place(create(CreateOrderRequestSchema, { ...input }), signal),
    getOrder: async (input, { signal } = {}) => {
      const request = create(GetOrderRequestSchema, input);
      return present((await repeat(signal, 0, (over, how) => over.unary(OrderService.method.getOrder, request, how))).order);
    },
    listOrders: async (input, { signal } = {}) => {
      const request = create(ListOrdersRequestSchema, input);
      return repeat(signal, 0, (over, how) => over.unary(OrderService.method.listOrders, request, how));
    },
    waitOrder: async (input, { signal } = {}) => {
      const request = create(WaitOrderRequestSchema, input);
      const waitMs = msFromDuration(request.timeout) ?? defaultWaitMs;
      return repeat(signal, waitMs, (over, how) => over.unary(OrderService.method.waitOrder, request, how));
    },
    watchOrder: (input, { signal } = {}) => watchResumed(transport, retry, create(WatchOrderRequestSchema, input), signal),
    cancelOrder: async (input, { signal } = {}) => {
      const request = create(CancelOrderRequestSchema, input);
      return present((await repeat(signal, 0, (over, how) => over.unary(OrderService.method.cancelOrder, request, how))).order);
    },
    close: async () => {
      closed = true;
      const open = opening;
      opening = undefined;
      (await open)?.close();
    },
  };

  return {
    ...client,
    [Symbol.asyncDispose]: client.close,
    placeAndWait: async (input, { signal, timeoutMs: waitMs = defaultWaitMs } = {}) => {
      const endMs = clock.monotonic() + waitMs;
      const left = (): number => Math.max(0, Math.min(maxWaitMs, Math.ceil(endMs - clock.monotonic())));
      const request = create(CreateOrderRequestSchema, { ...input });
      request.wait = durationFromMs(left());
      let order = await place(request, signal);
      for (let attempt = 1; !isFinalState(order.state) && left() > 0; attempt++) {
        const { orderId, merchantId } = order;
        try {
          order = present((await client.waitOrder({ orderId, merchantId, timeout: durationFromMs(left()) }, { signal })).order);
        } catch (error) {
          if (!mayPass(error)) throw withRequestId(error, request.requestId);
        }
        // A server that stops answers at once with what there is.
        if (!isFinalState(order.state) && left() > 0) await waitToRetry(retry, attempt, signal);
      }
      return order;
    },
  };
}
