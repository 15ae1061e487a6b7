import { backoffMs } from '../consumer/backoff.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import type { Attempt } from './attempt.ts';
import type { LaneContext } from './lane.ts';
import type { OutboxEntry } from './row.ts';

/** Keys of a topic whose next event the broker refuses. */
export interface KeyHold {
  /** Holds an event back, and with it what comes later of its key. */
  add(entry: OutboxEntry, error: PaystreamError): void;
  /** Takes out what must wait behind an event that is held back; gives the rest. */
  pass(entries: readonly OutboxEntry[]): readonly OutboxEntry[];
}

/** Waits between attempts to publish what the broker refused: somebody has to change its limits first. */
const backoff = { delayMs: 1_000, maxDelayMs: 60_000 } as const;

/** Makes the hold of one lane. Events without a key hold nothing back but themselves. */
export function createKeyHold(topic: string, context: LaneContext, attempt: Attempt): KeyHold {
  const { signal, logger } = context;
  const held = new Map<string, OutboxEntry[]>();
  const about = ({ row, message }: OutboxEntry) => ({ topic, key: message.key, epoch: row.epoch, seq: row.seq });

  const retry = async (key: string | undefined, entries: OutboxEntry[]): Promise<void> => {
    let failures = 1;
    for (let [next] = entries; next !== undefined; [next] = entries) {
      if (failures > 0) await context.clock.sleep(backoffMs(backoff, failures, context.random), signal).catch(() => undefined);
      if (signal.aborted) return;
      const failed = await attempt([next]);
      if (signal.aborted) return;
      if (failed === undefined) {
        entries.shift();
        failures = 0;
        context.refused(next, -1);
        continue;
      }
      failures += 1;
      const told = { ...about(next), waiting: entries.length, failures, err: failed.error };
      if (failed.refused) logger.error(told, 'an event is still refused');
      else logger.warn(told, 'an event that was refused cannot be tried again yet');
    }
    if (key !== undefined) held.delete(key);
  };

  return {
    add: (entry, error) => {
      const { key } = entry.message;
      const entries = [entry];
      if (key !== undefined) held.set(key, entries);
      context.refused(entry, 1);
      logger.error({ ...about(entry), err: error }, 'an event is refused by the broker: later ones of its key wait for it');
      void retry(key, entries);
    },
    pass: (entries) => {
      if (held.size === 0) return entries;
      return entries.filter((entry) => {
        const waiting = entry.message.key === undefined ? undefined : held.get(entry.message.key);
        if (waiting === undefined) return true;
        waiting.push(entry);
        context.refused(entry, 1);
        return false;
      });
    },
  };
}
