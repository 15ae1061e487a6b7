import type { Clock, ClockTimer, Logger } from '@paystream/core';

/** Options of {@link startKeptRefunds}. */
export interface KeptRefundsOptions {
  /** Orders with refunds that are kept though their sale is booked. */
  readonly ripe: () => Promise<readonly string[]>;
  /** Books what is kept of an order. */
  readonly book: (orderId: string) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Looks for refunds that were kept in vain. */
export interface KeptRefunds {
  /** Waits for what is under way, and looks no more. */
  close(): Promise<void>;
}

const everyMs = 60_000;

/**
 * Starts to look, once a minute, for refunds that are kept though their sale is booked. Whoever books a sale takes the refunds
 * that wait for it; but of several nodes of a database one may show a sale, or a refund that was kept, only after that.
 */
export function startKeptRefunds({ ripe, book, clock, logger }: KeptRefundsOptions): KeptRefunds {
  let timer: ClockTimer | undefined;
  let looking: Promise<void> = Promise.resolve();
  let closed = false;

  const look = async (): Promise<void> => {
    try {
      for (const orderId of await ripe()) {
        if (closed) return;
        await book(orderId).catch((err: unknown) => logger.warn({ err, orderId }, 'a refund that was kept cannot be booked; trying again'));
      }
    } catch (err) {
      logger.warn({ err }, 'could not look for refunds that were kept; trying again');
    }
  };
  const arm = (): void => {
    if (closed) return;
    timer = clock.setTimer(
      everyMs,
      () => {
        looking = look().then(arm);
      },
      { unref: true },
    );
  };

  arm();
  return {
    close: async () => {
      closed = true;
      timer?.cancel();
      await looking;
    },
  };
}
