import { PulsarError } from '../errors/pulsar-error.ts';

/** What is told of a message's way through the queue. */
export interface QueueHooks<M> {
  /** It is handed to the application. */
  onTake(message: M): void;
  /** It was handed over, but nobody took it: it is to go back to the front. Returns whether it does; otherwise it is dropped. */
  onReturn(message: M): boolean;
  /** It is dropped, since the queue was closed or cleared. */
  onDrop(message: M): void;
  /** Somebody begins to wait. */
  onWait?(): void;
}

/** Somebody who waits for messages. */
interface Waiter {
  /** Takes what it wants of what is there. Returns whether it is done. */
  serve(): boolean;
  fail(error: PulsarError): void;
}

/** How much a batch takes, and for how long it waits. */
export interface BatchLimits<M> {
  readonly minMessages: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly sizeOf: (message: M) => number;
}

/** Messages that have come and nobody has taken, and those who wait for some. */
export class ReceiveQueue<M> {
  readonly #hooks: QueueHooks<M>;
  readonly #waiters = new Set<Waiter>();
  #ring: (M | undefined)[] = new Array<M | undefined>(64).fill(undefined);
  #head = 0;
  #count = 0;
  #scheduled = false;
  #error: PulsarError | undefined;

  constructor(hooks: QueueHooks<M>) {
    this.#hooks = hooks;
  }

  get size(): number {
    return this.#count;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiters.size;
  }

  /** Why it is closed. */
  get error(): PulsarError | undefined {
    return this.#error;
  }

  push(message: M): void {
    if (this.#error !== undefined) {
      this.#hooks.onDrop(message);
      return;
    }
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#count) & (this.#ring.length - 1)] = message;
    this.#count += 1;
    if (this.#waiters.size > 0) this.#schedule();
  }

  #grow(): void {
    const ring = new Array<M | undefined>(this.#ring.length * 2).fill(undefined);
    for (let at = 0; at < this.#count; at++) ring[at] = this.#ring[(this.#head + at) & (this.#ring.length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }

  /** Serves who waits once everything that came in one piece is here, so that batches are not of one message. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const waiter of this.#waiters) {
        if (this.#count === 0) return;
        if (waiter.serve()) this.#waiters.delete(waiter);
      }
    });
  }

  /** The next message, if there is one. */
  take(): M | undefined {
    if (this.#count === 0) return undefined;
    const message = this.#ring[this.#head] as M;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#count -= 1;
    this.#hooks.onTake(message);
    return message;
  }

  /** The first message that matches, which stays. */
  find(matches: (message: M) => boolean): M | undefined {
    for (let at = 0; at < this.#count; at++) {
      const message = this.#ring[(this.#head + at) & (this.#ring.length - 1)] as M;
      if (matches(message)) return message;
    }
    return undefined;
  }

  /** Puts messages that were taken back to the front, in their order. */
  giveBack(messages: readonly M[]): void {
    for (let at = messages.length - 1; at >= 0; at--) {
      const message = messages[at] as M;
      if (!this.#hooks.onReturn(message)) continue;
      if (this.#error !== undefined) {
        this.#hooks.onDrop(message);
        continue;
      }
      if (this.#count === this.#ring.length) this.#grow();
      this.#head = (this.#head + this.#ring.length - 1) & (this.#ring.length - 1);
      this.#ring[this.#head] = message;
      this.#count += 1;
    }
    if (this.#waiters.size > 0) this.#schedule();
  }

  /** Drops what matches. Returns how many those were. */
  remove(matches: (message: M) => boolean): number {
    const count = this.#count;
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const from = (this.#head + at) & (this.#ring.length - 1);
      const message = this.#ring[from] as M;
      this.#ring[from] = undefined;
      if (matches(message)) this.#hooks.onDrop(message);
      else this.#ring[(this.#head + kept++) & (this.#ring.length - 1)] = message;
    }
    this.#count = kept;
    return count - kept;
  }

  /** One message: at once if there is one. `undefined` when the time is up. */
  receive(timeoutMs: number = Number.POSITIVE_INFINITY, signal?: AbortSignal): Promise<M | undefined> {
    if (signal?.aborted === true) return Promise.reject(canceled(signal));
    if (this.#waiters.size === 0 || timeoutMs === 0) {
      const message = this.take();
      if (message !== undefined) return Promise.resolve(message);
    }
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (timeoutMs === 0) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#wait(
        () => {
          const message = this.take();
          if (message === undefined) return false;
          resolve(message);
          return true;
        },
        reject,
        () => resolve(undefined),
        timeoutMs,
        signal,
      );
    });
  }

  /** Several messages: those that are there, once there are enough of them or the time is up. */
  receiveBatch(limits: BatchLimits<M>): Promise<M[]> {
    if (limits.signal?.aborted === true) return Promise.reject(canceled(limits.signal));
    const batch: M[] = [];
    let bytes = 0;
    const fill = (): boolean => {
      while (this.#count > 0) {
        const size = limits.sizeOf(this.#ring[this.#head] as M);
        if (batch.length > 0 && bytes + size > limits.maxBytes) return true;
        batch.push(this.take() as M);
        bytes += size;
        if (batch.length >= limits.maxMessages) return true;
      }
      return batch.length >= limits.minMessages || bytes >= limits.maxBytes;
    };
    if ((this.#waiters.size === 0 || limits.timeoutMs === 0) && fill()) return Promise.resolve(batch);
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (limits.timeoutMs === 0) return Promise.resolve(batch);
    return new Promise((resolve, reject) => {
      this.#wait(
        () => {
          const enough = fill();
          if (enough) resolve(batch);
          return enough;
        },
        (error) => {
          this.giveBack(batch);
          reject(error);
        },
        () => resolve(batch),
        limits.timeoutMs,
        limits.signal,
      );
    });
  }

  #wait(
    serve: () => boolean,
    fail: (error: PulsarError) => void,
    onTime: () => void,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): void {
    const stop = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      this.#waiters.delete(waiter);
    };
    const onAbort = (): void => waiter.fail(canceled(signal as AbortSignal));
    const waiter: Waiter = {
      serve: () => {
        const done = serve();
        if (done) stop();
        return done;
      },
      fail: (error) => {
        stop();
        fail(error);
      },
    };
    // Beyond this the platform's timer would fire at once.
    const timed = timeoutMs <= 0x7fff_ffff;
    const timer = timed
      ? setTimeout(() => {
          stop();
          onTime();
        }, timeoutMs)
      : undefined;
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#waiters.add(waiter);
    this.#hooks.onWait?.();
  }

  /** Nothing comes any more: drops what is there, and tells everybody who waits. */
  close(error: PulsarError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.remove(() => true);
    for (const waiter of [...this.#waiters]) waiter.fail(error);
  }
}

function canceled(signal: AbortSignal): PulsarError {
  return new PulsarError('CANCELED', 'the wait for a message was aborted', { cause: signal.reason });
}
