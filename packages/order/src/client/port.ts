import type { Clock, Random } from '@paystream/core';
import type { ListOrdersResponse, Order, WaitOrderResponse } from '@paystream/core/contracts';
import type {
  CancelOrderInput,
  CreateOrderInput,
  GetOrderInput,
  ListOrdersInput,
  WaitOrderInput,
  WatchOrderInput,
} from '../service/port.ts';

/** Options of `createOrderClient`. */
export interface OrderClientOptions {
  /** Where the service is: `http://localhost:50051`, `https://orders.example.org`. `https` means TLS. */
  readonly baseUrl: string;
  /** `grpc` needs the package `@grpc/grpc-js`, `connect` (HTTP/1.1, binary) the packages `@connectrpc/connect` and `@connectrpc/connect-node`. Default: `grpc`. */
  readonly protocol?: 'grpc' | 'connect' | undefined;
  /** Sent as `authorization: Bearer KEY`. Default: none. */
  readonly apiKey?: string | undefined;
  /** How long one try may take beyond what the server was asked to wait, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number | undefined;
  /** How often a call is made in all while the service is `UNAVAILABLE` or too busy. Default: 5. */
  readonly attempts?: number | undefined;
  /** The first wait between two tries, in milliseconds; doubles each time, to 5,000 at most, with jitter. Default: 100. */
  readonly retryDelayMs?: number | undefined;
  /** For pauses and waits; the drivers' own deadlines are in the system's time. Default: the system's. */
  readonly clock?: Clock | undefined;
  /** For request ids and jitter. Default: the system's. */
  readonly random?: Random | undefined;
}

/** What may be said of one call. */
export interface ClientCallOptions {
  /** Ends the call; it rejects with `CANCELED`. An order that was stored stands. */
  readonly signal?: AbortSignal | undefined;
}

/** What may be said of {@link OrderClient.placeAndWait}. */
export interface PlaceAndWaitOptions extends ClientCallOptions {
  /** How long to wait for payment to decide, in milliseconds. Default: 30,000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Calls an order service. Every call is repeated while the service is `UNAVAILABLE`: all are safe to repeat, `createOrder`
 * by its request id. Errors are the service's `PaystreamError`s, with code, reason and violations.
 */
export interface OrderClient extends AsyncDisposable {
  /** Places an order. Without a request id it makes one; the error, should it fail, tells it in `details.requestId`, so that you may try again with it. */
  createOrder(request: CreateOrderInput, options?: ClientCallOptions): Promise<Order>;
  /** Places an order and waits until payment has decided. Resolves with the order as it stands when the time is up. */
  placeAndWait(request: CreateOrderInput, options?: PlaceAndWaitOptions): Promise<Order>;
  /** One order. Rejects with `NOT_FOUND` / `UNKNOWN_ORDER`. */
  getOrder(request: GetOrderInput, options?: ClientCallOptions): Promise<Order>;
  /** A page of a merchant's orders, newest first. */
  listOrders(request: ListOrdersInput, options?: ClientCallOptions): Promise<ListOrdersResponse>;
  /** Resolves when payment has decided, or with the order as it stands when the time that the request names is up. */
  waitOrder(request: WaitOrderInput, options?: ClientCallOptions): Promise<WaitOrderResponse>;
  /** The order as it is, then newer versions until payment has decided. Goes on by itself where a broken stream stopped. */
  watchOrder(request: WatchOrderInput, options?: ClientCallOptions): AsyncIterable<Order>;
  /** Asks payment to cancel. Rejects with `FAILED_PRECONDITION` / `ORDER_FINAL` if the order ended otherwise. */
  cancelOrder(request: CancelOrderInput, options?: ClientCallOptions): Promise<Order>;
  /** Closes its connections. Safe to call again. */
  close(): Promise<void>;
}
