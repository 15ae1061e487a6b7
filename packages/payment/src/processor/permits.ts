import { PaystreamError } from '@paystream/core';

/** Bounds how much is under way at once. */
export interface Permits {
  /** Resolves once there is room for `count` more, in the order of the calls; rejects with `UNAVAILABLE`, which consumers do not hold against a message, once closed. More than all are granted when everything else is done. */
  acquire(count: number): Promise<void>;
  release(count: number): void;
  /** Turns away those who wait, and who come. */
  close(): void;
  /** Resolves when all are back. */
  idle(): Promise<void>;
  readonly taken: number;
}

export function createPermits(limit: number): Permits {
  let taken = 0;
  let closed = false;
  let waiting: { readonly count: number; readonly grant: () => void; readonly refuse: (error: unknown) => void }[] = [];
  let idlers: (() => void)[] = [];
  const closedError = (): PaystreamError =>
    new PaystreamError('UNAVAILABLE', 'the payment processor is closing: nothing new is begun', { reason: 'CLOSED' });
  const fits = (count: number): boolean => taken === 0 || taken + count <= limit;

  return {
    get taken() {
      return taken;
    },
    acquire: (count) =>
      new Promise((resolve, reject) => {
        if (closed) reject(closedError());
        else if (waiting.length === 0 && fits(count)) {
          taken += count;
          resolve();
        } else waiting.push({ count, grant: resolve, refuse: reject });
      }),
    release: (count) => {
      taken -= count;
      for (let first = waiting[0]; first !== undefined && fits(first.count); first = waiting[0]) {
        waiting.shift();
        taken += first.count;
        first.grant();
      }
      if (taken === 0) {
        for (const done of idlers) done();
        idlers = [];
      }
    },
    close: () => {
      closed = true;
      for (const { refuse } of waiting) refuse(closedError());
      waiting = [];
    },
    idle: () => (taken === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
  };
}
