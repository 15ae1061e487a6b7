import { PulsarError } from '../errors/pulsar-error.ts';
import type { Message, ReceivedMessage } from '../message/message.ts';
import type { ReceiveQueue } from './receive-queue.ts';

/**
 * Handles one message. Once it returns, or its promise resolves, the message is acknowledged; if it throws, the message is
 * given back. The signal is aborted when the run may not wait for it any longer.
 */
export type MessageHandler<T> = (message: Message<T>, context: { readonly signal: AbortSignal }) => unknown;

/** Options of `consumer.run`. */
export interface RunOptions<T> {
  /** How many handlers are at work at once. Default: 1. */
  readonly concurrency?: number;
  /**
   * Messages for which this says the same are handled one after another, in the order they came; others, and those for which
   * it says `undefined`, side by side. Default: the ordering key, else the key.
   */
  readonly keyOf?: (message: Message<T>) => string | undefined;
  /** How many messages are held whose key is being handled, so that those of other keys behind them are not. Default: 1,000. */
  readonly maxWaiting?: number;
  /** `manual`: the handler acknowledges, or gives back, itself. Default: `auto`. */
  readonly acknowledge?: 'auto' | 'manual';
  /**
   * A handler has failed, or an acknowledgement. If this throws, the run ends as by `stop()`, and `done` rejects with what it
   * threw. Default: nothing but giving the message back.
   */
  readonly onError?: (error: unknown, message: Message<T>) => void;
  /** Aborting it stops the run, as `stop()` does. */
  readonly signal?: AbortSignal;
}

/** Handlers at work. */
export interface ConsumerRun {
  /** Resolves when the run is over: stopped, or the consumer closed. Rejects if the consumer has failed for good, or `onError` has. */
  readonly done: Promise<void>;
  /**
   * Takes no more messages, and waits for the handlers that are at work. What was not begun is received again by whoever
   * receives next. After `timeoutMs` the handlers' signal is aborted; the wait goes on. Default: never.
   */
  stop(options?: { readonly timeoutMs?: number }): Promise<void>;
}

/** A message whose turn has not come. */
interface Waiting<T> {
  readonly message: ReceivedMessage<T>;
  /** In which order they came. */
  readonly number: number;
}

/** Starts to handle the messages of a queue. Throws `INVALID_ARGUMENT`. */
export function startRun<T>(queue: ReceiveQueue<ReceivedMessage<T>>, handler: MessageHandler<T>, options: RunOptions<T> = {}): ConsumerRun {
  const { concurrency = 1, maxWaiting = 1_000, keyOf = defaultKey, acknowledge = 'auto', onError, signal } = options;
  for (const [name, value] of Object.entries({ concurrency, maxWaiting })) {
    if (!(Number.isInteger(value) && value >= 1)) {
      throw new PulsarError('INVALID_ARGUMENT', `the option ${name} cannot be ${value}: it is a whole number of at least 1`);
    }
  }
  const intake = new AbortController();
  const work = new AbortController();
  const context = { signal: work.signal };
  /** By key: what waits for the message that is being handled. */
  const lanes = new Map<string, Waiting<T>[]>();
  let waiting = 0;
  let active = 0;
  let taken = 0;
  let wake: (() => void) | undefined;
  let fault: { readonly error: unknown } | undefined;

  function begin(message: ReceivedMessage<T>): void {
    let key: string | undefined;
    try {
      key = keyOf(message);
    } catch (error) {
      failed(error, message);
      return;
    }
    const lane = key === undefined ? undefined : lanes.get(key);
    if (lane !== undefined) {
      lane.push({ message, number: taken });
      waiting += 1;
      return;
    }
    if (key !== undefined) lanes.set(key, []);
    active += 1;
    handle(message, key);
  }

  /** Handles a message, and then those that wait behind it, as long as that takes no waiting. */
  function handle(first: ReceivedMessage<T>, key: string | undefined): void {
    for (let message: ReceivedMessage<T> | undefined = first; message !== undefined; message = next(key)) {
      const current: ReceivedMessage<T> = message;
      try {
        const outcome = handler(current, context);
        if (isPromise(outcome)) {
          outcome.then(
            () => settle(current, key),
            (error: unknown) => {
              failed(error, current);
              resume(key);
            },
          );
          return;
        }
      } catch (error) {
        failed(error, current);
        continue;
      }
      finish(current);
    }
  }

  function settle(message: ReceivedMessage<T>, key: string | undefined): void {
    finish(message);
    resume(key);
  }

  function resume(key: string | undefined): void {
    const message = next(key);
    if (message !== undefined) handle(message, key);
  }

  function finish(message: ReceivedMessage<T>): void {
    if (acknowledge === 'auto') message.acknowledge().catch((error: unknown) => report(error, message));
  }

  function failed(error: unknown, message: ReceivedMessage<T>): void {
    if (acknowledge === 'auto') message.negativeAcknowledge();
    report(error, message);
  }

  function report(error: unknown, message: ReceivedMessage<T>): void {
    try {
      onError?.(error, message);
    } catch (thrown) {
      fault ??= { error: thrown };
      onAbort();
    }
  }

  /** What waits behind a message that is done; without any its slot is free. */
  function next(key: string | undefined): ReceivedMessage<T> | undefined {
    const lane = key === undefined ? undefined : lanes.get(key);
    // Once it is over nothing more is begun: what waits goes back.
    const following = intake.signal.aborted ? undefined : lane?.shift();
    if (following !== undefined) {
      waiting -= 1;
      return following.message;
    }
    if (key !== undefined && lane?.length === 0) lanes.delete(key);
    active -= 1;
    wake?.();
    return undefined;
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      wake = () => {
        wake = undefined;
        resolve();
      };
    });
  }

  async function loop(): Promise<void> {
    while (!intake.signal.aborted) {
      if (active >= concurrency || waiting >= maxWaiting) {
        await pause();
        continue;
      }
      const message = queue.take() ?? (await queue.receive(undefined, intake.signal));
      taken += 1;
      if (message !== undefined) begin(message);
    }
  }

  async function run(): Promise<void> {
    try {
      await loop();
    } catch (error) {
      const ended = PulsarError.is(error) && (error.code === 'ALREADY_CLOSED' || error.code === 'CANCELED');
      if (!ended) throw error;
    } finally {
      intake.abort();
      signal?.removeEventListener('abort', onAbort);
      const left = [...lanes.values()].flat().sort((one, other) => one.number - other.number);
      for (const lane of lanes.values()) lane.length = 0;
      waiting = 0;
      queue.giveBack(left.map(({ message }) => message));
      while (active > 0) await pause();
    }
    if (fault !== undefined) throw fault.error;
  }

  function onAbort(): void {
    intake.abort();
    wake?.();
  }

  if (signal?.aborted === true) intake.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const done = run();
  // Whoever cares awaits it; the consumer tells its failure in every other call too.
  done.catch(() => undefined);
  return {
    done,
    stop: async ({ timeoutMs } = {}) => {
      onAbort();
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => work.abort(), timeoutMs);
      try {
        await done;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function defaultKey(message: Message<unknown>): string | undefined {
  return message.orderingKey?.toString('latin1') ?? message.key;
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
