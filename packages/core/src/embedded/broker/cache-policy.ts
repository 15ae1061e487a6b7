import type { Entry } from './entry.ts';
import type { TopicLog } from './topic-log.ts';

/** Bounds what all topics together keep in memory: the entries published first go first. */
export interface CachePolicy {
  appended(log: TopicLog, entry: Entry): void;
}

interface Appended {
  readonly log: TopicLog;
  readonly end: number;
  readonly bytes: number;
}

/** At most about `maxBytes`; infinite for logs that have nothing behind them. */
export function createCachePolicy(maxBytes: number): CachePolicy {
  if (!Number.isFinite(maxBytes)) return { appended: () => undefined };
  let order: Appended[] = [];
  let head = 0;
  let total = 0;
  return {
    appended: (log, { end, bytes }) => {
      order.push({ log, end, bytes });
      total += bytes;
      while (total > maxBytes && head < order.length) {
        const oldest = order[head] as Appended;
        head += 1;
        total -= oldest.bytes;
        oldest.log.evict(oldest.end);
      }
      if (head > 1_024 && head * 2 > order.length) {
        order = order.slice(head);
        head = 0;
      }
    },
  };
}
