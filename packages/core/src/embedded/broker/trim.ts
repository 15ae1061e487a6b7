import type { EntryHeader } from './entry.ts';
import { defaults, type Retention, type TopicRetention } from './options.ts';
import type { TopicState } from './topic-state.ts';

/** How many entries a step removes: so many take a few milliseconds. */
const step = 256;

function keeps(retention: Retention, entry: EntryHeader, tail: number, now: number): boolean {
  if (retention.maxAgeMs === undefined && retention.maxMessages === undefined) return false;
  const young = retention.maxAgeMs === undefined || entry.timeMs >= now - retention.maxAgeMs;
  return young && (retention.maxMessages === undefined || entry.end > tail - retention.maxMessages);
}

/** Where what is kept of a topic may begin, and whether there may be more to remove after that. */
export interface TrimPoint {
  readonly before: number;
  readonly more: boolean;
}

/** Finds out what of a topic nobody needs any more; `undefined` if there is nothing. */
export function trimPoint(state: TopicState, retention: TopicRetention, now: number): TrimPoint | undefined {
  const { log } = state;
  let consumed = Number.POSITIVE_INFINITY;
  for (const { cursor } of state.subscriptions.values()) consumed = Math.min(consumed, cursor.position);
  let read = Number.POSITIVE_INFINITY;
  for (const reader of state.readers) read = Math.min(read, reader.position);
  if (log.first >= Math.min(consumed, log.tail)) return undefined;

  const unconsumed = retention.unconsumed ?? defaults.unconsumed;
  const isNeeded = (entry: EntryHeader): boolean =>
    entry.end > consumed ||
    keeps(retention.acknowledged ?? {}, entry, log.tail, now) ||
    ((state.subscriptions.size === 0 || entry.end > read) && keeps(unconsumed, entry, log.tail, now));

  // One first: mostly there is nothing to remove.
  const head = log.oldest(1)[0];
  if (head === undefined || isNeeded(head)) return undefined;
  const oldest = log.oldest(step);
  const needed = oldest.findIndex(isNeeded);
  const gone = needed < 0 ? oldest : oldest.slice(0, needed);
  return { before: gone[gone.length - 1]?.end ?? head.end, more: gone.length === step };
}
