import { deadLetterSubscription } from '../../broker/dead-letters.ts';
import type { MessageId } from '../../broker/port.ts';
import type { Clock } from '../../clock/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Logger } from '../../logger/port.ts';
import type { Telemetry } from '../../telemetry/port.ts';
import { createCachePolicy } from './cache-policy.ts';
import { Cursor } from './cursor.ts';
import { type Entry, type StoredMessage, sizeOf, toEntries } from './entry.ts';
import type { CursorRow, EntryStore, TopicRow } from './store.ts';
import { Subscription, type SubscriptionHost } from './subscription.ts';
import { TopicLog } from './topic-log.ts';
import type { PendingSend, TopicState } from './topic-state.ts';

const maxEntryBytes = 1 << 20;
const maxPendingMessages = 8_192;
const maxPendingBytes = 8 << 20;
const tryAgainMs = 1_000;

/** What the engine is made of. */
export interface EngineOptions {
  readonly store: EntryStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly cacheBytes: number;
  /** Calls back when what is ready now has had its turn: what comes in until then shares a commit. */
  readonly later: (callback: () => void) => void;
  /** Called after each commit. */
  readonly committed: () => void;
}

/** Gathers what is published and acknowledged in one turn into one commit, then makes it visible. */
export interface Engine {
  readonly topics: ReadonlyMap<string, TopicState>;
  topic(name: string): TopicState;
  /** Publishes messages in order; resolves with the id of the last. */
  publish(topic: TopicState, messages: readonly StoredMessage[]): Promise<MessageId>;
  /** The subscription; created at `position` if it is not there. */
  subscription(topic: TopicState, name: string, position: 'earliest' | 'latest'): Subscription;
  /** Removes a cursor. */
  remove(subscription: Subscription): void;
  /** Resolves when every change so far is stored; rejects if the next commit fails. */
  stored(): Promise<void>;
  /** Resolves when every change so far is stored, or has failed and whoever made it was told. */
  settled(this: void): Promise<void>;
  /** Commits what is pending, and closes the store. */
  close(): Promise<void>;
}

/** What was published to a topic since the commit before. */
interface Published {
  readonly state: TopicState;
  readonly messages: readonly StoredMessage[];
  readonly sends: readonly PendingSend[];
  entries: readonly Entry[];
}

interface CommitPromise {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

export function createEngine(options: EngineOptions): Engine {
  const { store, clock, logger, telemetry } = options;
  const topics = new Map<string, TopicState>();
  const dirty = new Set<Subscription>();
  let removed: { readonly topicId: number; readonly subscription: string }[] = [];
  let touched = new Set<TopicState>();
  let pendingMessages = 0;
  let pendingBytes = 0;
  let scheduled = false;
  let failing = false;
  let retrying = false;
  let closed = false;
  let next: CommitPromise | undefined;
  /** The commit that is on its way to the disk; what comes meanwhile forms the next. */
  let storing: Promise<void> | undefined;
  let lastTopicId = 0;
  const cache = createCachePolicy(options.cacheBytes);

  const schedule = (): void => {
    if (scheduled || storing !== undefined) return;
    scheduled = true;
    options.later(flush);
  };

  const host: SubscriptionHost = {
    clock,
    later: options.later,
    changed: (subscription) => {
      dirty.add(subscription);
      schedule();
    },
    deadLetter: (to, message) => {
      const state = topic(to.topic);
      if (to.subscription !== false) subscriptionOf(state, to.subscription ?? deadLetterSubscription, 'earliest');
      return publish(state, [{ ...message }]);
    },
  };

  function subscriptionOf(state: TopicState, name: string, position: 'earliest' | 'latest'): Subscription {
    let subscription = state.subscriptions.get(name);
    if (subscription === undefined) {
      subscription = new Subscription(host, state.log, name, new Cursor(state.log.resolve(position)));
      state.subscriptions.set(name, subscription);
      host.changed(subscription);
    }
    return subscription;
  }

  function topic(name: string): TopicState {
    let state = topics.get(name);
    if (state === undefined) {
      lastTopicId += 1;
      state = newTopic(new TopicLog(store, lastTopicId, name), false);
    }
    return state;
  }

  function newTopic(log: TopicLog, stored: boolean): TopicState {
    const state: TopicState = { log, subscriptions: new Map(), readers: new Set(), stored, pending: [], sends: [] };
    topics.set(log.name, state);
    return state;
  }

  function publish(state: TopicState, messages: readonly StoredMessage[]): Promise<MessageId> {
    for (const message of messages) {
      state.pending.push(message);
      pendingBytes += sizeOf(message);
    }
    pendingMessages += messages.length;
    touched.add(state);
    const sent = new Promise<MessageId>((resolve, reject) => {
      state.sends.push({ message: messages[messages.length - 1] as StoredMessage, resolve, reject });
    });
    // One that publishes without end in one turn would otherwise gather without a bound.
    if (pendingMessages >= maxPendingMessages || pendingBytes >= maxPendingBytes) flush();
    else schedule();
    return sent;
  }

  function takePublished(): Published[] {
    const published: Published[] = [];
    for (const state of touched) {
      published.push({ state, messages: state.pending, sends: state.sends, entries: [] });
      state.pending = [];
      state.sends = [];
    }
    touched = new Set();
    pendingMessages = 0;
    pendingBytes = 0;
    return published;
  }

  function commit(published: readonly Published[], subscriptions: readonly Subscription[]): void {
    const now = clock.now();
    const entries: { topicId: number; entry: Entry }[] = [];
    const newTopics = new Map<number, TopicRow>();
    const know = (state: TopicState): void => {
      if (!state.stored) newTopics.set(state.log.id, { id: state.log.id, name: state.log.name });
    };
    for (const one of published) {
      const { state, messages } = one;
      know(state);
      one.entries = toEntries(messages, state.log.tail, Math.max(now, state.log.lastTimeMs), maxEntryBytes);
      for (const entry of one.entries) entries.push({ topicId: state.log.id, entry });
    }
    const cursors: CursorRow[] = [];
    for (const { log, name, cursor } of subscriptions) {
      know(topic(log.name));
      cursors.push({ topicId: log.id, subscription: name, position: cursor.position, ranges: cursor.ranges() });
    }
    store.commit({ topics: [...newTopics.values()], entries, removedCursors: removed, cursors });
    for (const row of newTopics.values()) topic(row.name).stored = true;
    removed = [];
    for (const subscription of subscriptions) dirty.delete(subscription);
  }

  function failed(error: unknown, published: readonly Published[], waiting: CommitPromise | undefined): void {
    if (!failing)
      logger.error({ err: error, reason: PaystreamError.from(error).reason }, 'the embedded broker cannot store; it goes on trying');
    failing = true;
    telemetry.count('paystream_broker_commit_failures_total', {});
    for (const { sends } of published) for (const send of sends) send.reject(error);
    waiting?.reject(error);
    // What was acknowledged stays acknowledged here, and is stored as soon as that works again.
    if (retrying || (dirty.size === 0 && removed.length === 0)) return;
    retrying = true;
    clock.setTimer(
      tryAgainMs,
      () => {
        retrying = false;
        schedule();
      },
      { unref: true },
    );
  }

  function succeeded(published: readonly Published[], waiting: CommitPromise | undefined, startedMs: number): void {
    if (failing) logger.info({}, 'the embedded broker stores again');
    failing = false;
    telemetry.observe('paystream_broker_commit_seconds', {}, (clock.monotonic() - startedMs) / 1_000);
    const count = published.reduce((sum, { messages }) => sum + messages.length, 0);
    if (count > 0) telemetry.count('paystream_broker_published_total', {}, count);
    for (const one of published) append(one);
    waiting?.resolve();
    // Last, since handing out may publish (to a dead-letter topic) and so may commit.
    for (const { state } of published) {
      for (const subscription of state.subscriptions.values()) subscription.pump();
      for (const reader of state.readers) reader.pump();
    }
    options.committed();
  }

  function flush(): void {
    scheduled = false;
    if (storing !== undefined) return;
    const waiting = next;
    next = undefined;
    if (closed || nothingPending()) {
      waiting?.resolve();
      return;
    }
    const startedMs = clock.monotonic();
    const published = takePublished();
    try {
      commit(published, [...dirty]);
    } catch (error) {
      failed(error, published, waiting);
      return;
    }
    const synced = store.synced();
    if (synced === undefined) {
      succeeded(published, waiting, startedMs);
      return;
    }
    storing = synced;
    const ended = (settle: () => void): void => {
      storing = undefined;
      settle();
      if (!nothingPending()) schedule();
    };
    synced.then(
      () => ended(() => succeeded(published, waiting, startedMs)),
      (error: unknown) => ended(() => failed(error, published, waiting)),
    );
  }

  function append({ state, entries, sends }: Published): void {
    for (const entry of entries) {
      state.log.append(entry);
      cache.appended(state.log, entry);
    }
    for (const send of sends) send.resolve(String(send.message.sequence));
  }

  function nothingPending(): boolean {
    return touched.size === 0 && dirty.size === 0 && removed.length === 0;
  }

  function storedPromise(): Promise<void> {
    if (nothingPending()) return storing ?? Promise.resolve();
    next ??= Promise.withResolvers<void>();
    schedule();
    return next.promise;
  }

  async function settled(): Promise<void> {
    await Promise.allSettled([storedPromise()]);
  }

  const stored = store.load();
  for (const row of stored.topics) {
    newTopic(new TopicLog(store, row.id, row.name, row), true);
    lastTopicId = Math.max(lastTopicId, row.id);
  }
  const byId = new Map([...topics.values()].map((state) => [state.log.id, state]));
  for (const row of stored.cursors) {
    const state = byId.get(row.topicId);
    if (state === undefined) continue;
    const cursor = new Cursor(Math.max(row.position, state.log.first), row.ranges);
    state.subscriptions.set(row.subscription, new Subscription(host, state.log, row.subscription, cursor));
  }

  return {
    topics,
    topic,
    publish,
    subscription: subscriptionOf,
    remove: (subscription) => {
      subscription.close();
      topic(subscription.log.name).subscriptions.delete(subscription.name);
      dirty.delete(subscription);
      removed.push({ topicId: subscription.log.id, subscription: subscription.name });
      schedule();
    },
    stored: storedPromise,
    settled,
    close: async () => {
      await settled();
      closed = true;
      for (const state of topics.values()) for (const subscription of state.subscriptions.values()) subscription.close();
      store.close();
    },
  };
}
