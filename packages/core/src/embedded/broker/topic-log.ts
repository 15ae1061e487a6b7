import type { Position } from '../../broker/port.ts';
import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Entry, EntryHeader, StoredMessage } from './entry.ts';
import type { EntryStore } from './store.ts';

const chunkBytes = 1 << 20;

/** The place of a message id; `INVALID_ARGUMENT` if it is none of this broker's. */
export function toSequence(messageId: string): number {
  const sequence = Number(messageId);
  if (messageId === '' || !Number.isSafeInteger(sequence) || sequence < 0) {
    throw new PaystreamError('INVALID_ARGUMENT', `"${messageId}" is not a message id of the embedded broker`, { reason: 'BAD_MESSAGE_ID' });
  }
  return sequence;
}

/** The messages of one topic, in the order of their sequence numbers. The newest are in memory. */
export class TopicLog {
  readonly id: number;
  readonly name: string;
  /** The first sequence number that is kept. */
  first: number;
  /** The next sequence number to be given. */
  tail: number;
  lastTimeMs: number;
  readonly #store: EntryStore;
  #cache: Entry[] = [];
  #head = 0;

  constructor(store: EntryStore, id: number, name: string, state = { first: 0, tail: 0, lastTimeMs: 0 }) {
    this.#store = store;
    this.id = id;
    this.name = name;
    this.first = state.first;
    this.tail = state.tail;
    this.lastTimeMs = state.lastTimeMs;
  }

  /** Makes a committed entry visible. */
  append(entry: Entry): void {
    this.#cache.push(entry);
    this.tail = entry.end;
    this.lastTimeMs = entry.timeMs;
  }

  /** The entry that holds a sequence number, if it is in memory. */
  cached(sequence: number): Entry | undefined {
    let low = this.#head;
    let high = this.#cache.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const entry = this.#cache[middle] as Entry;
      if (sequence < entry.first) high = middle - 1;
      else if (sequence >= entry.end) low = middle + 1;
      else return entry;
    }
    return undefined;
  }

  /** Entries from the store, from the one that holds a sequence number on. */
  stored(sequence: number): readonly Entry[] {
    return this.#store.read(this.id, sequence, chunkBytes);
  }

  /** The oldest entries that are kept, at most `limit`. */
  oldest(limit: number): readonly EntryHeader[] {
    const head = this.#cache[this.#head];
    if (head !== undefined && head.first <= this.first) return this.#cache.slice(this.#head, this.#head + limit);
    return this.#store.oldest(this.id, limit);
  }

  /** What the store has removed is not kept here either. */
  trimmed(before: number): void {
    this.first = Math.max(this.first, before);
    this.#drop((entry) => entry.end <= before);
  }

  /** Lets go of the memory of what is before `before`; the store still has it. */
  evict(before: number): void {
    this.#drop((entry) => entry.end <= before);
  }

  /** Where a position is now. */
  resolve(position: Position): number {
    if (position === 'earliest') return this.first;
    if (position === 'latest') return this.tail;
    if ('messageId' in position) return Math.min(Math.max(toSequence(position.messageId), this.first), this.tail);
    return this.#since(position.timeMs);
  }

  #since(timeMs: number): number {
    const head = this.#cache[this.#head];
    if (head === undefined || (head.first > this.first && head.timeMs >= timeMs)) {
      const stored = this.#store.firstSince(this.id, timeMs);
      if (stored !== undefined) return Math.max(stored, this.first);
    }
    let low = this.#head;
    let high = this.#cache.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cache[middle] as Entry).timeMs < timeMs) low = middle + 1;
      else high = middle;
    }
    return this.#cache[low]?.first ?? this.tail;
  }

  #drop(gone: (entry: Entry) => boolean): void {
    let head = this.#head;
    while (head < this.#cache.length && gone(this.#cache[head] as Entry)) head += 1;
    this.#head = head;
    // Forgotten entries are let go in blocks: shifting one by one moves the whole array each time.
    if (head > 64 && head * 2 > this.#cache.length) {
      this.#cache = this.#cache.slice(head);
      this.#head = 0;
    } else {
      for (let i = head - 1; i >= 0 && this.#cache[i] !== released; i--) this.#cache[i] = released;
    }
  }
}

const released: Entry = { first: -1, end: -1, timeMs: 0, bytes: 0, messages: [] };

/** Reads a log mostly forward: keeps hold of the entry that was read last. */
export class LogView {
  readonly #log: TopicLog;
  #entry: Entry | undefined;
  #chunk: readonly Entry[] = [];
  #next = 0;

  constructor(log: TopicLog) {
    this.#log = log;
  }

  /** The message at a sequence number; `undefined` if it is not kept any more, or not there yet. */
  at(sequence: number): StoredMessage | undefined {
    let entry = this.#entry;
    if (entry === undefined || sequence < entry.first || sequence >= entry.end) {
      entry = this.#find(sequence);
      this.#entry = entry;
    }
    return entry?.messages[sequence - entry.first];
  }

  #find(sequence: number): Entry | undefined {
    if (sequence < this.#log.first || sequence >= this.#log.tail) return undefined;
    const following = this.#chunk[this.#next];
    if (following !== undefined && sequence >= following.first && sequence < following.end) {
      this.#next += 1;
      return following;
    }
    this.#chunk = [];
    this.#next = 0;
    const cached = this.#log.cached(sequence);
    if (cached !== undefined) return cached;
    const chunk = this.#log.stored(sequence);
    const found = chunk[0];
    if (found === undefined || sequence < found.first || sequence >= found.end) return undefined;
    this.#chunk = chunk;
    this.#next = 1;
    return found;
  }
}
