import type { Clock, ClockTimer } from '../../clock/port.ts';
import type { Logger } from '../../logger/port.ts';
import type { Telemetry } from '../../telemetry/port.ts';
import type { TopicRetention } from './options.ts';
import type { EntryStore, Trim } from './store.ts';
import type { TopicLog } from './topic-log.ts';
import type { TopicState } from './topic-state.ts';
import { trimPoint } from './trim.ts';

const afterCommitMs = 250;
const betweenStepsMs = 5;

/** What housekeeping works with. */
export interface HousekeepingOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly store: EntryStore;
  readonly topics: ReadonlyMap<string, TopicState>;
  readonly retentionOf: (topic: string) => TopicRetention;
}

/** Removes, in small steps in the background, what nobody needs any more, and tells how much is to be done. */
export interface Housekeeping {
  /** Something changed: there may be something to remove. */
  wake(): void;
  close(): void;
}

/** Works only after something has changed: a broker that nobody uses sets no timers. */
export function createHousekeeping(options: HousekeepingOptions): Housekeeping {
  const { clock, logger, telemetry, store, topics, retentionOf } = options;
  let timer: ClockTimer | undefined;
  let closed = false;

  const arm = (delayMs: number): void => {
    timer = clock.setTimer(delayMs, run, { unref: true });
  };

  const run = (): void => {
    timer = undefined;
    let more = false;
    try {
      const now = clock.now();
      const trims: (Trim & { readonly log: TopicLog })[] = [];
      for (const state of topics.values()) {
        const { log } = state;
        for (const { name, backlog } of state.subscriptions.values()) {
          telemetry.gauge('paystream_broker_backlog', { topic: log.name, subscription: name }, backlog);
        }
        const point = trimPoint(state, retentionOf(log.name), now);
        if (point === undefined) continue;
        trims.push({ log, topicId: log.id, before: point.before, tail: log.tail });
        more ||= point.more;
      }
      if (trims.length > 0) store.trim(trims);
      for (const { log, before } of trims) log.trimmed(before);
    } catch (error) {
      // Nothing is lost by it, and the next change brings it here again.
      logger.warn({ err: error }, 'the embedded broker cannot remove old messages');
    }
    if (more && !closed) arm(betweenStepsMs);
  };

  return {
    wake: () => {
      if (timer === undefined && !closed) arm(afterCommitMs);
    },
    close: () => {
      closed = true;
      timer?.cancel();
    },
  };
}
