import type { Clock } from '@paystream/core';
import type { Order } from '@paystream/core/contracts';
import { isFinalState } from '../order/states.ts';
import type { Watcher } from '../waits/watcher.ts';
import type { CallOptions } from './port.ts';

/** Wakes a watcher when its caller has gone or is to be answered. Returns what undoes it. */
export function wakeOnAbort(watcher: Watcher, options: CallOptions): () => void {
  const { signal, stopping } = options;
  const gone = (): void => watcher.wake('aborted');
  const stop = (): void => watcher.wake('timeout');
  if (signal?.aborted === true) gone();
  else signal?.addEventListener('abort', gone, { once: true });
  if (stopping?.aborted === true) stop();
  else stopping?.addEventListener('abort', stop, { once: true });
  return () => {
    signal?.removeEventListener('abort', gone);
    stopping?.removeEventListener('abort', stop);
  };
}

/**
 * Waits until payment has decided on an order that is at least as it is given. Returns the newest known: final, or as it
 * stands when the time is up, the caller has gone or the service stops.
 */
export async function waitUntilFinal(
  clock: Clock,
  watcher: Watcher,
  order: Order,
  timeoutMs: number,
  options: CallOptions,
): Promise<Order> {
  let newest = order;
  if (isFinalState(newest.state) || timeoutMs <= 0) return newest;
  const timer = clock.setTimer(timeoutMs, () => watcher.wake('timeout'));
  const undo = wakeOnAbort(watcher, options);
  try {
    for (;;) {
      const why = await watcher.wait();
      const next = watcher.take();
      if (next !== undefined && next.version > newest.version) newest = next;
      if (isFinalState(newest.state) || (why !== 'order' && why !== 'quiet')) return newest;
    }
  } finally {
    timer.cancel();
    undo();
  }
}
