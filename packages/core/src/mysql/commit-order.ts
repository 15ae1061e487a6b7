import type { Clock, ClockTimer } from '../clock/port.ts';

/** Tells of commits in the order in which they happened. */
export interface CommitOrder {
  /**
   * Commits by `send`, which gives what to do once it is known how that went. Resolves when that was done, after all that was
   * sent before. `giveUp` is called if the answer is the only one that is missing; it gives what to do instead. Neither may throw.
   */
  commit(send: () => Promise<() => void>, giveUp: () => () => void): Promise<void>;
}

/** Options of {@link createCommitOrder}. */
export interface CommitOrderOptions {
  readonly clock: Clock;
  /** How long the answers to later commits wait for an earlier one, in milliseconds. */
  readonly maxOvertakenMs: number;
}

interface Sent {
  settle: (() => void) | undefined;
  overtaken: ClockTimer | undefined;
  giveUp(): void;
}

const steps = 10;

/**
 * Answers may come in another order than the commits happened: two that wait for the same write to the disk are answered at
 * once. But a transaction that saw what another changed was sent to commit after that one was. So that is the order.
 *
 * A server that stands still answers nobody, and nobody is given up. One that answers later commits has lost the connection of
 * the first.
 */
export function createCommitOrder({ clock, maxOvertakenMs }: CommitOrderOptions): CommitOrder {
  const sent: Sent[] = [];

  const tell = (): void => {
    for (let [first] = sent; first?.settle !== undefined; [first] = sent) {
      sent.shift();
      first.overtaken?.cancel();
      first.settle();
    }
    const [first] = sent;
    if (first === undefined || first.overtaken !== undefined || !sent.some((one) => one.settle !== undefined)) return;
    waitFor(first, 1);
  };

  /** In steps: when a process has stood still its timers come first, and answers that lie ready only then. */
  const waitFor = (first: Sent, step: number): void => {
    const next = (): void => (step === steps ? first.giveUp() : waitFor(first, step + 1));
    first.overtaken = clock.setTimer(maxOvertakenMs / steps, next, { unref: true });
  };

  return {
    commit: async (send, giveUp) => {
      const done = Promise.withResolvers<void>();
      const settled = (settle: () => void): void => {
        own.settle = () => {
          settle();
          done.resolve();
        };
        tell();
      };
      const own: Sent = { settle: undefined, overtaken: undefined, giveUp: () => settled(giveUp()) };
      sent.push(own);
      void send().then((settle) => {
        if (own.settle === undefined) settled(settle);
      });
      await done.promise;
    },
  };
}
