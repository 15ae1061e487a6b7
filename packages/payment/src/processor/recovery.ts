import { type Logger, PaystreamError } from '@paystream/core';
import type { PaymentStore } from '../store/store.ts';
import type { Decided, PaymentInput } from './decider.ts';
import type { Driver } from './driver.ts';
import type { Permits } from './permits.ts';

export interface RecoveryOptions {
  readonly store: PaymentStore;
  readonly driver: Driver;
  /** Its own, so that new orders do not keep old ones from being finished. */
  readonly permits: Permits;
  readonly logger: Logger;
  readonly record: (input: PaymentInput) => Promise<Decided>;
}

/** Goes on with payments whose time has come, or whose process is gone. */
export interface Recovery {
  /** Gives how many of them could not be handled now. */
  handle(orderIds: readonly string[]): Promise<number>;
  /** Takes over the calls that were under way when this database was last used. Gives how many payments that were. */
  takeOver(): Promise<number>;
}

const pageSize = 200;

export function createRecovery(options: RecoveryOptions): Recovery {
  const { store, driver, permits, logger, record } = options;

  const one = async (orderId: string, restarted: boolean): Promise<boolean> => {
    let decided: Decided;
    try {
      decided = await record({ orderId, event: { kind: 'due', restarted } });
    } catch (error) {
      permits.release(1);
      const failure = PaystreamError.from(error);
      logger.warn({ orderId, err: failure }, 'a payment whose time has come cannot be handled now; trying again');
      return false;
    }
    if ('refused' in decided || decided.call === undefined) permits.release(1);
    else driver.start(decided.payment, decided.call, () => permits.release(1));
    return true;
  };

  const all = async (orderIds: readonly string[], restarted: boolean): Promise<number> => {
    await permits.acquire(orderIds.length);
    const handled = await Promise.all(orderIds.map((orderId) => one(orderId, restarted)));
    return handled.filter((well) => !well).length;
  };

  return {
    handle: (orderIds) => all(orderIds, false),
    takeOver: async () => {
      let after = '';
      let count = 0;
      for (;;) {
        const page = await store.waiting(after, pageSize);
        const last = page.at(-1);
        if (last === undefined) return count;
        const failed = await all(page, true);
        if (failed > 0) {
          throw new PaystreamError('UNAVAILABLE', `${failed} payments that were under way cannot be taken over now; start again later`, {
            reason: 'TAKEOVER_FAILED',
          });
        }
        count += page.length;
        after = last;
      }
    },
  };
}
