import { type Logger, PaystreamError, type Telemetry } from '@paystream/core';
import type { DuePayment, PaymentStore } from '../store/store.ts';
import type { Decided, PaymentInput } from './decider.ts';
import type { Driver } from './driver.ts';
import type { Permits } from './permits.ts';
import { resume } from './resume.ts';

export interface RecoveryOptions {
  readonly store: PaymentStore;
  readonly driver: Driver;
  /** Its own, so that new orders do not keep old ones from being finished. */
  readonly permits: Permits;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly record: (input: PaymentInput) => Promise<Decided>;
  /** The same, in a transaction of its own: for what may have to wait for a lock. */
  readonly recordAlone: (input: PaymentInput) => Promise<Decided>;
}

/** Goes on with payments whose time has come, or whose process is gone. */
export interface Recovery {
  /** Gives those that could not be handled now. */
  handle(due: readonly DuePayment[]): Promise<readonly DuePayment[]>;
  /** Goes on with a payment that nothing else is to wait for. Gives whether it could be handled. */
  handleAlone(due: DuePayment): Promise<boolean>;
  /**
   * Takes over the charges that a processor which is gone had under way: asks the gateway for them. Gives how many payments that
   * were. Throws `UNAVAILABLE` / `TAKEOVER_FAILED` if that cannot be done now.
   */
  takeOver(gone: string): Promise<number>;
}

const pageSize = 200;

export function createRecovery(options: RecoveryOptions): Recovery {
  const { store, driver, permits, logger, telemetry, record, recordAlone } = options;

  const one = async ({ orderId, trace }: DuePayment, gone: string | undefined, write: RecoveryOptions['record']): Promise<boolean> => {
    await permits.acquire(1);
    const step = resume(telemetry, 'payment', orderId, trace);
    const end = (error?: unknown): void => {
      permits.release(1);
      step.end(error);
    };
    let decided: Decided;
    try {
      decided = await write({ orderId, event: { kind: 'due', gone }, trace: step.trace });
    } catch (error) {
      end(error);
      const failure = PaystreamError.from(error);
      logger.warn({ orderId, err: failure }, 'a payment whose time has come cannot be handled now; trying again');
      return false;
    }
    if ('refused' in decided || decided.call === undefined) end();
    else driver.start(decided.payment, decided.call, () => end());
    return true;
  };

  const all = async (due: readonly DuePayment[], gone?: string): Promise<readonly DuePayment[]> => {
    const handled = await Promise.all(due.map((payment) => one(payment, gone, record)));
    return due.filter((_, index) => handled[index] === false);
  };

  return {
    handle: (due) => all(due),
    handleAlone: (due) => one(due, undefined, recordAlone),
    takeOver: async (gone) => {
      const taken = new Set<string>();
      for (;;) {
        const page = (await store.underWay(gone, pageSize)).filter(({ orderId }) => !taken.has(orderId));
        if (page.length === 0) return taken.size;
        const failed = (await all(page, gone)).length;
        if (failed > 0) {
          throw new PaystreamError('UNAVAILABLE', `${failed} payments that were under way cannot be taken over now; trying again later`, {
            reason: 'TAKEOVER_FAILED',
          });
        }
        for (const { orderId } of page) taken.add(orderId);
      }
    },
  };
}
