import { PaystreamError } from '../errors/paystream-error.ts';
import { noTelemetry, type Span, type Telemetry, type TraceContext } from '../telemetry/port.ts';

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
  /** What is batched, for telemetry. Default: `unnamed`. */
  readonly name?: string;
  /** Gets how many items wait and how many share a batch, how often a batch was split, and a span for a batch with traced items. Default: keeps nothing. */
  readonly telemetry?: Telemetry;
  /** The trace that an item belongs to. Default: the one in which it was submitted. */
  readonly traceOf?: (item: T) => TraceContext | undefined;
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
  readonly trace: TraceContext | undefined;
}

/**
 * Group commit: what is submitted while a batch is under way forms the next one. A batch that fails is split in two until
 * the item at fault stands alone, so one caller's fault fails that caller only; `UNAVAILABLE` fails the whole batch at once.
 * After `ABORTED` each item has its own run, one after another: whoever had to wait for a lock waits once more, not at every split.
 */
export function createBatcher<T, R>(options: BatcherOptions<T, R>): Batcher<T, R> {
  const maxSize = options.maxSize ?? 256;
  const concurrency = options.concurrency ?? 1;
  const maxWaiting = options.maxWaiting ?? 10_000;
  const { telemetry = noTelemetry, traceOf } = options;
  const silent = telemetry === noTelemetry;
  const labels = { batcher: options.name ?? 'unnamed' };
  const spanName = `batch ${labels.batcher}`;
  let queue: Waiting<T, R>[] = [];
  let running = 0;
  let underWay = 0;
  let scheduled = false;
  let closed = false;
  const idle: (() => void)[] = [];

  const startSpan = (batch: readonly Waiting<T, R>[]): Span | undefined => {
    const links = batch.map(({ trace }) => trace).filter((trace) => trace?.traceparent !== undefined);
    const [first] = links;
    if (first === undefined) return undefined;
    return telemetry.startSpan(spanName, links.length === 1 ? { parent: first } : { links: links as TraceContext[] });
  };

  const run = async (batch: readonly Waiting<T, R>[]): Promise<readonly R[]> => {
    const items = batch.map((waiting) => waiting.item);
    const span = telemetry.tracing ? startSpan(batch) : undefined;
    if (span === undefined) return options.run(items);
    try {
      const results = await span.run(() => options.run(items));
      span.end();
      return results;
    } catch (error) {
      span.end(error);
      throw error;
    }
  };

  /** Gives the error of an outage that it met. */
  const settle = async (batch: readonly Waiting<T, R>[]): Promise<PaystreamError | undefined> => {
    try {
      const results = await run(batch);
      if (results.length !== batch.length) {
        throw new PaystreamError('INTERNAL', `a batch of ${batch.length} gave ${results.length} results`, { reason: 'BATCH_MISMATCH' });
      }
      batch.forEach((waiting, index) => {
        waiting.resolve(results[index] as R);
      });
      return undefined;
    } catch (error) {
      const failure = PaystreamError.from(error);
      const isAway = failure.code === 'UNAVAILABLE';
      if (batch.length === 1 || isAway) {
        for (const waiting of batch) waiting.reject(error);
        return isAway ? failure : undefined;
      }
      telemetry.count('paystream_batcher_splits_total', labels);
      const middle = batch.length >> 1;
      const parts = failure.code === 'ABORTED' ? batch.map((waiting) => [waiting]) : [batch.slice(0, middle), batch.slice(middle)];
      let outage: PaystreamError | undefined;
      for (const part of parts) {
        if (outage === undefined) outage = await settle(part);
        else for (const waiting of part) waiting.reject(outage);
      }
      return outage;
    }
  };

  const pump = (): void => {
    scheduled = false;
    while (running < concurrency && queue.length > 0) {
      const batch = queue.length <= maxSize ? queue : queue.slice(0, maxSize);
      queue = queue.length <= maxSize ? [] : queue.slice(maxSize);
      running += 1;
      underWay += batch.length;
      telemetry.observe('paystream_batcher_batch_size', labels, batch.length);
      void settle(batch).then(() => {
        running -= 1;
        underWay -= batch.length;
        pump();
      });
    }
    telemetry.gauge('paystream_batcher_waiting', labels, queue.length);
    if (running === 0 && queue.length === 0) for (const done of idle.splice(0)) done();
  };

  // A batch belongs to no single caller.
  const schedule = (): void => queueMicrotask(pump);

  return {
    submit: (item) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new PaystreamError('CANCELED', 'closed: nothing more is taken', { reason: 'CLOSED' }));
        } else if (queue.length >= maxWaiting) {
          reject(new PaystreamError('RESOURCE_EXHAUSTED', `${maxWaiting} items wait already; try again later`, { reason: 'QUEUE_FULL' }));
        } else {
          queue.push({ item, resolve, reject, trace: telemetry.tracing ? (traceOf?.(item) ?? telemetry.current()) : undefined });
          if (!silent) telemetry.gauge('paystream_batcher_waiting', labels, queue.length);
          if (!scheduled) {
            scheduled = true;
            telemetry.detached(schedule);
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
