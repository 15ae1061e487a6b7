import { create } from '@bufbuild/protobuf';
import { PaystreamError } from '@paystream/core';
import { type Order, type WatchOrderRequest, type WatchOrderResponse, WatchOrderResponseSchema } from '@paystream/core/contracts';
import { isFinalState } from '../order/states.ts';
import type { Watcher } from '../waits/watcher.ts';
import type { Watchers } from '../waits/watchers.ts';
import type { CallOptions } from './port.ts';
import { wakeOnAbort } from './wait-order.ts';

/** The error of a call that comes, or is still waiting, when the service stops. */
export function serviceClosed(cause?: unknown): PaystreamError {
  return new PaystreamError('UNAVAILABLE', 'the order service stops; call again', { reason: 'SERVICE_CLOSED', cause });
}

const snapshot = (order: Order): WatchOrderResponse => create(WatchOrderResponseSchema, { event: { case: 'order', value: order } });
const heartbeat = (): WatchOrderResponse => create(WatchOrderResponseSchema, { event: { case: 'heartbeat', value: {} } });

async function* changes(watchers: Watchers, watcher: Watcher, sentVersion: bigint): AsyncGenerator<WatchOrderResponse> {
  let sent = sentVersion;
  for (;;) {
    const why = await watcher.wait();
    const order = watcher.take();
    if (order !== undefined && order.version > sent) {
      sent = order.version;
      yield snapshot(order);
      watchers.touch(watcher);
      if (isFinalState(order.state)) return;
    } else if (why === 'quiet') yield heartbeat();
    if (why === 'aborted') return;
    if (why === 'closed' || why === 'timeout') throw serviceClosed();
  }
}

/** Tells an order's versions to one reader. `read` throws if there is no such order of the merchant's. */
export async function* watchOrder(
  watchers: Watchers,
  read: () => Promise<Order>,
  request: WatchOrderRequest,
  options: CallOptions,
): AsyncGenerator<WatchOrderResponse> {
  // Registered before the store is read: what changes in between is told.
  const watcher = watchers.add(request.orderId, request.afterVersion, { quiet: true });
  const undo = wakeOnAbort(watcher, options);
  try {
    const order = await read();
    let sent = request.afterVersion;
    if (order.version > sent) {
      sent = order.version;
      yield snapshot(order);
    }
    if (!isFinalState(order.state)) yield* changes(watchers, watcher, sent);
  } finally {
    undo();
    watchers.remove(watcher);
  }
}
