import type { Clock } from '@paystream/core';
import type { Order } from '@paystream/core/contracts';
import { createHeartbeats } from './heartbeats.ts';
import { createWatcher, type Wake, type Watcher } from './watcher.ts';

/** Everyone of this process who waits for an order. */
export interface Watchers {
  readonly size: number;
  /** Registers one who has seen `afterVersion`; with `quiet`, woken when nothing comes for a while. Must be removed. */
  add(orderId: string, afterVersion: bigint, options?: { readonly quiet?: boolean }): Watcher;
  remove(watcher: Watcher): void;
  /** Begins the quiet time of a watcher anew. */
  touch(watcher: Watcher): void;
  /** Whether anyone waits for the order. */
  wants(orderId: string): boolean;
  /** Hands an order to all who wait for it. */
  offer(order: Order): void;
  /** The orders that are waited for. */
  orderIds(): readonly string[];
  /** Whether someone who waits for the order has not seen this version. */
  isNews(orderId: string, version: bigint): boolean;
  /** Sends everyone away, and whoever comes later. */
  close(): void;
}

/** Makes the register. `quietMs`: after so long without a word a watcher is woken to say that it lives. */
export function createWatchers(clock: Clock, quietMs: number): Watchers {
  const byOrder = new Map<string, Set<Watcher>>();
  const heartbeats = createHeartbeats<Watcher>(clock, quietMs, (watcher) => watcher.wake('quiet'));
  let size = 0;
  let closed = false;

  const wakeAll = (why: Wake): void => {
    for (const watchers of byOrder.values()) for (const watcher of watchers) watcher.wake(why);
  };

  return {
    get size() {
      return size;
    },
    add: (orderId, afterVersion, options) => {
      const watcher = createWatcher(orderId, afterVersion);
      const others = byOrder.get(orderId);
      if (others === undefined) byOrder.set(orderId, new Set([watcher]));
      else others.add(watcher);
      size += 1;
      if (closed) watcher.wake('closed');
      else if (options?.quiet === true) heartbeats.touch(watcher);
      return watcher;
    },
    remove: (watcher) => {
      const watchers = byOrder.get(watcher.orderId);
      if (watchers === undefined || !watchers.delete(watcher)) return;
      size -= 1;
      if (watchers.size === 0) byOrder.delete(watcher.orderId);
      heartbeats.remove(watcher);
    },
    touch: (watcher) => {
      if (!closed) heartbeats.touch(watcher);
    },
    wants: (orderId) => byOrder.has(orderId),
    offer: (order) => {
      for (const watcher of byOrder.get(order.orderId) ?? []) watcher.offer(order);
    },
    orderIds: () => [...byOrder.keys()],
    isNews: (orderId, version) => {
      for (const watcher of byOrder.get(orderId) ?? []) if (watcher.version < version) return true;
      return false;
    },
    close: () => {
      closed = true;
      heartbeats.close();
      wakeAll('closed');
    },
  };
}
