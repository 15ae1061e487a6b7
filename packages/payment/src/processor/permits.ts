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
  /** How many are waited for. */
  readonly waiting: number;
}

/** Calls `onChange` after each change of how many are taken or waited for. */
export function createPermits(limit: number, onChange: () => void): Permits {
  let taken = 0;
  let wanted = 0;
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
    get waiting() {
      return wanted;
    },
    acquire: (count) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(closedError());
          return;
        }
        if (waiting.length === 0 && fits(count)) {
          taken += count;
          resolve();
        } else {
          waiting.push({ count, grant: resolve, refuse: reject });
          wanted += count;
        }
        onChange();
      }),
    release: (count) => {
      taken -= count;
      for (let first = waiting[0]; first !== undefined && fits(first.count); first = waiting[0]) {
        waiting.shift();
        taken += first.count;
        wanted -= first.count;
        first.grant();
      }
      onChange();
      if (taken === 0) {
        for (const done of idlers) done();
        idlers = [];
      }
    },
    close: () => {
      closed = true;
      for (const { refuse } of waiting) refuse(closedError());
      waiting = [];
      wanted = 0;
      onChange();
    },
    idle: () => (taken === 0 ? Promise.resolve() : new Promise((resolve) => idlers.push(resolve))),
  };
}
