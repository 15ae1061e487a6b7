import { PulsarError } from '../errors/pulsar-error.ts';
import type { Message } from '../message/message.ts';
import type { MessageId } from '../message/message-id.ts';

/** Called with a key and what it is now: a value, or `undefined` if it was deleted. */
export type TableViewListener<T> = (key: string, value: T | undefined) => void;

/**
 * The last value of every key of a topic, kept up to date. Messages without a key are passed over; a message without a value,
 * or with an empty one, deletes its key.
 */
export interface TableView<T> extends AsyncDisposable, Iterable<[key: string, value: T]> {
  /** How many keys there are. */
  readonly size: number;
  /** The last value of a key; `undefined` if there is none. */
  get(key: string): T | undefined;
  /** Whether the key has a value. */
  has(key: string): boolean;
  /** Keys in the order in which they came up. */
  keys(): IterableIterator<string>;
  /** Every key with its value. */
  entries(): IterableIterator<[key: string, value: T]>;
  /** The same as `entries`. */
  [Symbol.iterator](): IterableIterator<[key: string, value: T]>;
  /** Calls `listener` with every change from now on, in the order of the topic. Returns how to end that. */
  listen(listener: TableViewListener<T>): () => void;
  /** Calls `listener` with everything that is there, and then with every change: nothing is left out, nothing comes twice. Returns how to end that. */
  forEachAndListen(listener: TableViewListener<T>): () => void;
  /**
   * Resolves once everything is read that the topic held when this was called: a value that was sent before is seen after.
   * Rejects with `ALREADY_CLOSED`, `CANCELED`, or why the topic cannot be read any more.
   */
  refresh(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Ends it. What it holds stays readable. Idempotent. */
  close(): Promise<void>;
}

/** What a table view reads from. */
export interface TableSource<T> {
  /** Rejects when it is closed or cannot go on. */
  readNext(): Promise<Message<T>>;
  /** The id of the last message of each topic or partition, `topic` set. */
  lastMessageIds(): Promise<readonly MessageId[]>;
  close(): Promise<void>;
}

/** Options of {@link openTableView}. */
export interface TableViewSettings<T> {
  readonly source: TableSource<T>;
  /** Names the topic in errors. */
  readonly topic: string;
  readonly onError: (error: unknown) => void;
}

interface Waiter {
  /** What is still to be read, by topic. */
  readonly missing: Map<string, MessageId>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** How long nothing may come before what is waited for is asked for again, in milliseconds: compaction may have removed it. */
const RECHECK_MS = 1_000;

const isEmptyTopic = (id: MessageId): boolean => id.entryId < 0n;

/** A value as it can be kept: bytes are a view of what was read from a socket, and would keep all of that. */
function kept<T>(value: T): T {
  return Buffer.isBuffer(value) ? (Buffer.from(value) as T & Buffer) : value;
}

/** Reads all that the topic holds, and goes on reading. */
export async function openTableView<T>(settings: TableViewSettings<T>): Promise<TableView<T>> {
  const { source, topic, onError } = settings;
  const values = new Map<string, T>();
  const listeners = new Set<TableViewListener<T>>();
  const waiters = new Set<Waiter>();
  /** The last id that was read, by topic. */
  const read = new Map<string, MessageId>();
  let ended: { readonly error: unknown } | undefined;
  let closing: Promise<void> | undefined;
  let rechecking: NodeJS.Timeout | undefined;

  function tell(key: string, value: T | undefined): void {
    for (const listener of [...listeners]) {
      try {
        listener(key, value);
      } catch (error) {
        onError(error);
      }
    }
  }

  function apply(message: Message<T>): void {
    const { key } = message;
    if (key === undefined) return;
    if (message.isNull || message.data.length === 0) {
      if (values.delete(key)) tell(key, undefined);
      return;
    }
    let value: T;
    try {
      value = kept(message.value);
    } catch (error) {
      onError(error);
      return;
    }
    values.set(key, value);
    tell(key, value);
  }

  function isRead(id: MessageId): boolean {
    const last = read.get(id.topic ?? topic);
    return last !== undefined && last.compareTo(id) >= 0;
  }

  function settle(): void {
    for (const waiter of waiters) {
      for (const [name, id] of waiter.missing) if (isRead(id)) waiter.missing.delete(name);
      if (waiter.missing.size > 0) continue;
      waiters.delete(waiter);
      waiter.resolve();
    }
    if (waiters.size > 0) recheckLater();
    else stopRechecking();
  }

  function stopRechecking(): void {
    clearTimeout(rechecking);
    rechecking = undefined;
  }

  function recheckLater(): void {
    if (rechecking === undefined) rechecking = setTimeout(recheck, RECHECK_MS);
    else rechecking.refresh();
  }

  function recheck(): void {
    source.lastMessageIds().then(
      (ids) => {
        const last = new Map(ids.map((id) => [id.topic ?? topic, id]));
        for (const { missing } of waiters) {
          for (const [name, id] of missing) {
            const now = last.get(name);
            if (now === undefined || isEmptyTopic(now)) missing.delete(name);
            else if (now.compareTo(id) < 0) missing.set(name, now);
          }
        }
        if (ended === undefined) settle();
      },
      // The reader tells what is final; what passes is asked for again.
      () => {
        if (ended === undefined && waiters.size > 0) recheckLater();
      },
    );
  }

  function end(error: unknown): void {
    if (ended !== undefined) return;
    ended = { error };
    stopRechecking();
    for (const waiter of waiters) waiter.reject(error);
    waiters.clear();
    listeners.clear();
  }

  async function readAll(): Promise<void> {
    try {
      for (;;) {
        const message = await source.readNext();
        apply(message);
        read.set(message.topic, message.id);
        if (waiters.size > 0) settle();
      }
    } catch (error) {
      if (closing === undefined) onError(error);
      end(error);
    }
  }

  function assertReading(): void {
    if (ended !== undefined) throw ended.error;
  }

  async function refresh({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    assertReading();
    const canceled = (): PulsarError => new PulsarError('CANCELED', `the refresh of ${topic} was canceled`, { cause: signal?.reason });
    if (signal?.aborted) throw canceled();
    const ids = await source.lastMessageIds();
    const missing = new Map(ids.filter((id) => !isEmptyTopic(id)).map((id) => [id.topic ?? topic, id]));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { missing, resolve, reject };
    const cancel = (): void => {
      waiters.delete(waiter);
      reject(canceled());
    };
    waiters.add(waiter);
    signal?.addEventListener('abort', cancel);
    try {
      assertReading();
      settle();
      if (signal?.aborted) cancel();
      await promise;
    } finally {
      waiters.delete(waiter);
      if (waiters.size === 0) stopRechecking();
      signal?.removeEventListener('abort', cancel);
    }
  }

  function close(): Promise<void> {
    closing ??= source.close().finally(() => end(new PulsarError('ALREADY_CLOSED', `the table view of ${topic} is closed`)));
    return closing;
  }

  function listen(listener: TableViewListener<T>): () => void {
    // A listener of its own each time: the same function may listen twice.
    const own: TableViewListener<T> = (key, value) => listener(key, value);
    listeners.add(own);
    return () => listeners.delete(own);
  }

  void readAll();
  try {
    await refresh();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get size() {
      return values.size;
    },
    get: (key) => values.get(key),
    has: (key) => values.has(key),
    keys: () => values.keys(),
    entries: () => values.entries(),
    [Symbol.iterator]: () => values.entries(),
    listen,
    forEachAndListen(listener) {
      for (const [key, value] of [...values]) listener(key, value);
      return listen(listener);
    },
    refresh,
    close,
    [Symbol.asyncDispose]: close,
  };
}
