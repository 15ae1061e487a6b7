import type { PaystreamError } from '../errors/paystream-error.ts';
import type { OutboxRow } from './row.ts';

/** Those who wait until nothing is left to do about some rows. */
export interface Waiters {
  /** Whether somebody waits. */
  readonly some: boolean;
  /** Resolves when all of the rows are over. */
  wait(rows: Iterable<OutboxRow>): Promise<void>;
  /** Nothing is left to do about these rows. */
  over(rows: readonly OutboxRow[]): void;
  /** Nothing more is done about any row: whoever waits for one is told so, and whoever would from now on. */
  end(reason: PaystreamError): void;
}

/** Makes the list of an outbox. */
export function createWaiters(): Waiters {
  let waiters: { readonly rows: Set<OutboxRow>; resolve(): void; reject(reason: PaystreamError): void }[] = [];
  let ended: PaystreamError | undefined;
  return {
    get some() {
      return waiters.length > 0;
    },
    wait: (rows) =>
      new Promise((resolve, reject) => {
        if (ended === undefined) waiters.push({ rows: new Set(rows), resolve, reject });
        else reject(ended);
      }),
    over: (rows) => {
      if (waiters.length === 0) return;
      for (const waiter of waiters) {
        for (const row of rows) waiter.rows.delete(row);
        if (waiter.rows.size === 0) waiter.resolve();
      }
      waiters = waiters.filter((waiter) => waiter.rows.size > 0);
    },
    end: (reason) => {
      ended = reason;
      for (const waiter of waiters) waiter.reject(reason);
      waiters = [];
    },
  };
}
