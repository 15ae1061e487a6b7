import type { Entry, EntryHeader } from './entry.ts';

/** A topic as it is stored. */
export interface TopicRow {
  readonly id: number;
  readonly name: string;
}

/** A cursor as it is stored. */
export interface CursorRow {
  readonly topicId: number;
  readonly subscription: string;
  /** Every message below it is acknowledged. */
  readonly position: number;
  /** Starts and ends of what is acknowledged beyond. */
  readonly ranges: readonly number[];
}

/** Everything that is committed at once: all of it or nothing. */
export interface Changes {
  readonly topics: readonly TopicRow[];
  readonly entries: readonly { readonly topicId: number; readonly entry: Entry }[];
  /** Cursors to remove, before `cursors` are written. */
  readonly removedCursors: readonly { readonly topicId: number; readonly subscription: string }[];
  readonly cursors: readonly CursorRow[];
}

/** What of a topic is to be removed. */
export interface Trim {
  readonly topicId: number;
  /** Every entry that begins before it; it is where an entry begins, or the tail. */
  readonly before: number;
  /** One past the last sequence number that was ever given. */
  readonly tail: number;
}

/** What was found when a store was opened. */
export interface StoredState {
  readonly topics: readonly (TopicRow & { readonly first: number; readonly tail: number; readonly lastTimeMs: number })[];
  readonly cursors: readonly CursorRow[];
}

/**
 * Where the embedded broker keeps its log. One caller at a time; everything but `synced` is synchronous, since a commit
 * that others could overtake would have to be ordered again.
 */
export interface EntryStore {
  /** Whether what was committed is there after the end of the process. */
  readonly durable: boolean;
  /** Reads back what was committed before. */
  load(): StoredState;
  /** Commits; throws a `PaystreamError` if nothing was committed. Replaces the payloads by copies of its own. */
  commit(changes: Changes): void;
  /** Resolves when what was committed before the call is as durable as it is to be; `undefined` if it is so already. */
  synced(): Promise<void> | undefined;
  /** Entries from the one that holds `sequence` (or the next after it) on, in order, of about `maxBytes` together but at least one if there is any. */
  read(topicId: number, sequence: number, maxBytes: number): readonly Entry[];
  /** The oldest entries, in order, at most `limit`. */
  oldest(topicId: number, limit: number): readonly EntryHeader[];
  /** The first sequence number published at or after a moment; `undefined` if there is none. */
  firstSince(topicId: number, timeMs: number): number | undefined;
  /** Removes entries, of several topics at once: all of them or none. */
  trim(trims: readonly Trim[]): void;
  /** Throws if it cannot store. */
  probe(): void;
  close(): void;
}
