import { PaystreamError } from '../errors/paystream-error.ts';

/** Options of {@link createBatcher}. */
export interface BatcherOptions<T, R> {
  /** Handles a batch. Resolves with one result for each item, in their order. */
  readonly run: (items: readonly T[]) => Promise<readonly R[]>;
  /** At most so many items in one batch. Default: 256. */
  readonly maxSize?: number;
  /** At most so many batches at once. Default: 1, so that items gather while one is under way. */
  readonly concurrency?: number;
  /** At most so many items waiting; beyond it `submit` rejects with `RESOURCE_EXHAUSTED`. Default: 10,000. */
  readonly maxWaiting?: number;
}

/** Gathers items of concurrent callers into batches. */
export interface Batcher<T, R> {
  /** Resolves with the item's own result, or rejects with the error that it alone caused. */
  submit(item: T): Promise<R>;
  /** How many items wait or are under way. */
  readonly pending: number;
  /** Resolves when nothing waits and nothing is under way. Later submits reject with `CANCELED`. */
  close(): Promise<void>;
}

interface Waiting<T, R> {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Group commit: what is submitted while a batch is under way forms the next one. A batch that fails is split in two until
 * the item at fault stands alone, so one caller's fault fails that caller only; `UNAVAILABLE` fails the whole batch at once.
 */
export function createBatcher<T, R>(options: BatcherOptions<T, R>): Batcher<T, R> {
  const maxSize = options.maxSize ?? 256;
  const concurrency = options.concurrency ?? 1;
  const maxWaiting = options.maxWaiting ?? 10_000;
  let queue: Waiting<T, R>[] = [];
  let running = 0;
  let underWay = 0;
  let scheduled = false;
  let closed = false;
  const idle: (() => void)[] = [];

  const settle = async (batch: readonly Waiting<T, R>[]): Promise<void> => {
    try {
      const results = await options.run(batch.map((waiting) => waiting.item));
      if (results.length !== batch.length) {
        throw new PaystreamError('INTERNAL', `a batch of ${batch.length} gave ${results.length} results`, { reason: 'BATCH_MISMATCH' });
      }
      batch.forEach((waiting, index) => {
        waiting.resolve(results[index] as R);
      });
    } catch (error) {
      if (batch.length === 1 || PaystreamError.from(error).code === 'UNAVAILABLE') {
        for (const waiting of batch) waiting.reject(error);
        return;
      }
      const middle = batch.length >> 1;
      await settle(batch.slice(0, middle));
      await settle(batch.slice(middle));
    }
  };

  const pump = (): void => {
    scheduled = false;
    while (running < concurrency && queue.length > 0) {
      const batch = queue.length <= maxSize ? queue : queue.slice(0, maxSize);
      queue = queue.length <= maxSize ? [] : queue.slice(maxSize);
      running += 1;
      underWay += batch.length;
      void settle(batch).then(() => {
        running -= 1;
        underWay -= batch.length;
        pump();
      });
    }
    if (running === 0 && queue.length === 0) for (const done of idle.splice(0)) done();
  };

  return {
    submit: (item) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new PaystreamError('CANCELED', 'closed: nothing more is taken', { reason: 'CLOSED' }));
        } else if (queue.length >= maxWaiting) {
          reject(new PaystreamError('RESOURCE_EXHAUSTED', `${maxWaiting} items wait already; try again later`, { reason: 'QUEUE_FULL' }));
        } else {
          queue.push({ item, resolve, reject });
          if (!scheduled) {
            scheduled = true;
            queueMicrotask(pump);
          }
        }
      }),
    get pending() {
      return queue.length + underWay;
    },
    close: () => {
      closed = true;
      return running === 0 && queue.length === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve));
    },
  };
}
