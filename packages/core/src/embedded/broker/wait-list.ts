import type { IncomingMessage } from '../../broker/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';

/** Refuses a number of messages that makes no sense. */
export function checkMax(max: number): void {
  if (Number.isInteger(max) && max > 0) return;
  throw new PaystreamError('INVALID_ARGUMENT', `receive(max) wants an integer of at least 1, not ${max}`, { reason: 'BAD_MAX' });
}

/** Somebody who waits for messages. */
export interface Waiter<C> {
  readonly consumer: C;
  readonly max: number;
  resolve(messages: readonly IncomingMessage[]): void;
  reject(error: unknown): void;
}

/** Those who wait for messages, the longest waiting first. */
export class WaitList<C> {
  #waiters: Waiter<C>[] = [];

  get size(): number {
    return this.#waiters.length;
  }

  wait(consumer: C, max: number, signal: AbortSignal | undefined): Promise<readonly IncomingMessage[]> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter<C> = {
        consumer,
        max,
        resolve: (messages) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(messages);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
    });
  }

  /** How many of them may be served. */
  count(accepts: (consumer: C) => boolean): number {
    let count = 0;
    for (const waiter of this.#waiters) if (accepts(waiter.consumer)) count += 1;
    return count;
  }

  /** Gives each a chance; `serve` returns what to give, or nothing, or throws what to reject with. True if anyone was served. */
  serve(serve: (waiter: Waiter<C>) => readonly IncomingMessage[]): boolean {
    const left: Waiter<C>[] = [];
    for (const waiter of this.#waiters) {
      try {
        const messages = serve(waiter);
        if (messages.length === 0) left.push(waiter);
        else waiter.resolve(messages);
      } catch (error) {
        waiter.reject(error);
      }
    }
    const served = left.length < this.#waiters.length;
    if (served) this.#waiters = left;
    return served;
  }

  /** Rejects those who wait for a consumer. */
  reject(consumer: C, error: unknown): void {
    const all = this.#waiters;
    this.#waiters = all.filter((waiter) => waiter.consumer !== consumer);
    for (const waiter of all) if (waiter.consumer === consumer) waiter.reject(error);
  }
}
