import type { Order } from '@paystream/core/contracts';

/** Why a watcher woke: a newer order, nothing for a while, its time is over, its caller has gone, or the service stops. */
export type Wake = 'order' | 'quiet' | 'timeout' | 'aborted' | 'closed';

/**
 * One who waits for an order to change. Bounded: it keeps the newest order only, whatever its reader does.
 */
export interface Watcher {
  readonly orderId: string;
  /** The highest version seen. */
  readonly version: bigint;
  /** The newest order not taken yet. */
  take(): Order | undefined;
  /** Hands over an order; one that is no newer than what was seen is ignored. */
  offer(order: Order): void;
  /** Wakes the one who waits, or the next one. */
  wake(why: Wake): void;
  /** Waits until woken. One at a time. */
  wait(): Promise<Wake>;
}

/** Makes a watcher that has seen `afterVersion`. */
export function createWatcher(orderId: string, afterVersion: bigint): Watcher {
  let version = afterVersion;
  let newest: Order | undefined;
  let pending: Wake | undefined;
  let resume: ((why: Wake) => void) | undefined;

  const wake = (why: Wake): void => {
    // A reason to stop is never overwritten by one to go on.
    if (resume === undefined) {
      if (pending === undefined || pending === 'order' || pending === 'quiet') pending = why;
      return;
    }
    const go = resume;
    resume = undefined;
    go(why);
  };

  return {
    orderId,
    get version() {
      return version;
    },
    take: () => {
      const order = newest;
      newest = undefined;
      return order;
    },
    offer: (order) => {
      if (order.version <= version) return;
      version = order.version;
      newest = order;
      wake('order');
    },
    wake,
    wait: () => {
      if (pending === undefined)
        return new Promise((resolve) => {
          resume = resolve;
        });
      const why = pending;
      pending = undefined;
      return Promise.resolve(why);
    },
  };
}
