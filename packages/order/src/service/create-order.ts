import { create } from '@bufbuild/protobuf';
import { type Batcher, type Clock, type IdGenerator, PaystreamError, type Telemetry } from '@paystream/core';
import { type CreateOrderRequest, CreateOrderRequestSchema, msFromDuration, type Order } from '@paystream/core/contracts';
import type { Catalog } from '../catalog/port.ts';
import { checkRequest } from '../placing/check-request.ts';
import { fingerprintOf } from '../placing/fingerprint.ts';
import { type Draft, draftOrder } from '../placing/new-order.ts';
import { type Placement, repeatOf } from '../placing/place-orders.ts';
import { checkCurrency, priceItems } from '../placing/price-items.ts';
import { orderOf } from '../store/order-record.ts';
import type { OrderStore } from '../store/order-store.ts';
import type { Watchers } from '../waits/watchers.ts';
import type { CallOptions, CreateOrderInput } from './port.ts';
import { waitUntilFinal } from './wait-order.ts';

/** What creating orders needs. */
export interface CreateContext {
  readonly catalog: Catalog;
  readonly store: OrderStore;
  readonly batcher: Batcher<Draft, Placement>;
  readonly watchers: Watchers;
  readonly expiryMs: number;
  readonly clock: Clock;
  readonly nextId: IdGenerator;
  readonly telemetry: Telemetry;
}

const placed = { outcome: 'placed' };
const repeated = { outcome: 'repeated' };

async function draftOf(context: CreateContext, request: CreateOrderRequest, options: CallOptions): Promise<Draft> {
  checkCurrency(request);
  const productIds = request.items.map((item) => item.productId);
  const prices = await context.catalog.price(request.merchantId, productIds);
  return draftOrder(request, priceItems(request, prices), {
    orderId: context.nextId(),
    nowMs: context.clock.now(),
    expiryMs: context.expiryMs,
    trace: { traceparent: options.traceparent, tracestate: options.tracestate },
  });
}

/** The order that the same request has placed before, if any: it stands, even if its products are no longer sold. */
async function earlier(context: CreateContext, request: CreateOrderRequest): Promise<Placement | undefined> {
  const { store } = context;
  const { merchantId, requestId } = request;
  const found = await store.findRequests(store.reader, merchantId, [requestId]);
  const own = found.find((placed) => placed.requestId === requestId && placed.record.terms.merchantId === merchantId);
  return own && repeatOf(own, fingerprintOf(request));
}

function orderOfPlacement(context: CreateContext, placement: Placement): { readonly order: Order; readonly isNew: boolean } {
  if (PaystreamError.is(placement)) throw placement;
  context.telemetry.count('paystream_orders_total', placement.isNew ? placed : repeated);
  return placement;
}

async function waitForEarlier(context: CreateContext, order: Order, waitMs: number, options: CallOptions): Promise<Order> {
  const { watchers, clock } = context;
  // The order was read before the watcher stood: what changed in between is read again.
  const watcher = watchers.add(order.orderId, order.version);
  try {
    const versions = await context.store.versions([order.orderId]);
    if ((versions.get(order.orderId) ?? 0n) > order.version) {
      const record = (await context.store.find(context.store.reader, [order.orderId])).get(order.orderId);
      if (record !== undefined) watchers.offer(orderOf(record));
    }
    return await waitUntilFinal(clock, watcher, order, waitMs, options);
  } finally {
    watchers.remove(watcher);
  }
}

async function placeAndWait(context: CreateContext, draft: Draft, waitMs: number, options: CallOptions): Promise<Order> {
  const { watchers, clock } = context;
  // Registered before the order exists: no news of it can be missed.
  const watcher = watchers.add(draft.terms.orderId, draft.standing.version);
  try {
    const { order, isNew } = orderOfPlacement(context, await context.batcher.submit(draft));
    if (isNew) return await waitUntilFinal(clock, watcher, order, waitMs, options);
    return await waitForEarlier(context, order, waitMs, options);
  } finally {
    watchers.remove(watcher);
  }
}

/** Places one order, with others in one transaction, and waits for its result if asked. */
export async function createOrder(context: CreateContext, input: CreateOrderInput, options: CallOptions): Promise<Order> {
  const request = create(CreateOrderRequestSchema, input);
  checkRequest(request);
  const waitMs = msFromDuration(request.wait) ?? 0;
  let draft: Draft;
  try {
    draft = await draftOf(context, request, options);
  } catch (error) {
    const placement = await earlier(context, request);
    if (placement === undefined) throw error;
    const { order } = orderOfPlacement(context, placement);
    return waitMs > 0 ? waitForEarlier(context, order, waitMs, options) : order;
  }
  if (waitMs > 0) return placeAndWait(context, draft, waitMs, options);
  return orderOfPlacement(context, await context.batcher.submit(draft)).order;
}
