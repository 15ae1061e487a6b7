import type { MessageInitShape } from '@bufbuild/protobuf';
import type { RpcService, Running, TraceContext } from '@paystream/core';
import type {
  CancelOrderRequestSchema,
  CreateOrderRequestSchema,
  GetOrderRequestSchema,
  ListOrdersRequestSchema,
  ListOrdersResponse,
  Order,
  WaitOrderRequestSchema,
  WaitOrderResponse,
  WatchOrderRequestSchema,
  WatchOrderResponse,
} from '@paystream/core/contracts';

/** What a caller may say beside the request, the trace among it, which is passed on to everything that the call causes. An `RpcContext` fits as it is. */
export interface CallOptions extends TraceContext {
  /** Aborted when the caller no longer waits. What was stored stands. */
  readonly signal?: AbortSignal | undefined;
  /** Aborted when the caller is to be answered with what there is. */
  readonly stopping?: AbortSignal | undefined;
}

/** A request: a generated message, or its fields. */
export type CreateOrderInput = MessageInitShape<typeof CreateOrderRequestSchema>;
/** A request: a generated message, or its fields. */
export type GetOrderInput = MessageInitShape<typeof GetOrderRequestSchema>;
/** A request: a generated message, or its fields. */
export type ListOrdersInput = MessageInitShape<typeof ListOrdersRequestSchema>;
/** A request: a generated message, or its fields. */
export type WaitOrderInput = MessageInitShape<typeof WaitOrderRequestSchema>;
/** A request: a generated message, or its fields. */
export type WatchOrderInput = MessageInitShape<typeof WatchOrderRequestSchema>;
/** A request: a generated message, or its fields. */
export type CancelOrderInput = MessageInitShape<typeof CancelOrderRequestSchema>;

/**
 * Places orders and tells what became of them. The same for callers in the process and, by {@link OrderService.rpc}, over
 * any transport. Authorization is the transport's: these methods trust the merchant id that they are given.
 *
 * All throw `UNAVAILABLE` while the database is away and, once it closes, `UNAVAILABLE` / `SERVICE_CLOSED`.
 */
export interface OrderService {
  /**
   * Places an order; durable once it resolves. Idempotent by merchant and request id: the same content again gives the
   * order placed first, as it stands now. With `wait` (at most 120 s; default: none) it resolves when payment has decided or the
   * time is up; the order stands either way.
   *
   * Throws `INVALID_ARGUMENT` with a violation for each field (`REQUEST_INVALID`, `UNKNOWN_CURRENCY`,
   * `CURRENCY_MISMATCH`, `TOTAL_NOT_POSITIVE`, `AMOUNT_OUT_OF_RANGE`, `ORDER_TOO_LARGE`), `NOT_FOUND` / `UNKNOWN_MERCHANT` or
   * `UNKNOWN_PRODUCT`, `ALREADY_EXISTS` / `REQUEST_ID_REUSED`, `RESOURCE_EXHAUSTED` when too many wait.
   */
  createOrder(request: CreateOrderInput, options?: CallOptions): Promise<Order>;
  /** One order. Throws `NOT_FOUND` / `UNKNOWN_ORDER`, also for another merchant's. */
  getOrder(request: GetOrderInput): Promise<Order>;
  /**
   * A page of a merchant's orders, newest first. With a `state` a page may be short, or empty, and still have a next one.
   * Throws `INVALID_ARGUMENT` / `INVALID_PAGE_TOKEN` for a token that no page gave, `REQUEST_INVALID` for a `pageSize` over 500
   * (default: 50).
   */
  listOrders(request: ListOrdersInput): Promise<ListOrdersResponse>;
  /**
   * Resolves when payment has decided, or with the order as it stands when `timeout` is up (at most 120 s; default: 30 s). Throws as
   * {@link getOrder}, and `INVALID_ARGUMENT` / `REQUEST_INVALID` for a longer one.
   */
  waitOrder(request: WaitOrderInput, options?: CallOptions): Promise<WaitOrderResponse>;
  /**
   * The order as it is, if newer than `afterVersion`, then newer versions, until payment has decided. Versions only grow;
   * one who reads slowly gets the newest, not each. A heartbeat comes after every 15 s without one. Ends when the signal
   * is aborted; throws as {@link getOrder}, and `UNAVAILABLE` / `SERVICE_CLOSED` when the service stops: watch again from the last version.
   */
  watchOrder(request: WatchOrderInput, options?: CallOptions): AsyncIterable<WatchOrderResponse>;
  /**
   * Asks payment to cancel. Resolves with the order, `CANCEL_REQUESTED` until payment has decided; again for one that is
   * being cancelled or is. Throws as {@link getOrder}, `FAILED_PRECONDITION` / `ORDER_FINAL` if it ended otherwise, or
   * `ORDER_IN_REVIEW` while it is not known whether it was charged, `INVALID_ARGUMENT` / `REQUEST_INVALID` for a `reason` of more
   * than 500 characters.
   */
  cancelOrder(request: CancelOrderInput, options?: CallOptions): Promise<Order>;
  /** The service for transports, each call checked against the caller's merchants. */
  readonly rpc: RpcService;
}

/** An order service that was started here. */
export interface RunningOrderService extends OrderService, Running, AsyncDisposable {
  /** Rejects with `UNAVAILABLE` if database or broker cannot be reached, or news of payment is not being read. */
  check(): Promise<void>;
}
