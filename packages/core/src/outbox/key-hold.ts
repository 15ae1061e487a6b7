import { backoffMs } from '../consumer/backoff.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
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
export function createKeyHold(topic: string, context: LaneContext): KeyHold {
  const { signal } = context;
  const held = new Map<string, OutboxEntry[]>();

  const retry = async (key: string | undefined, entries: OutboxEntry[]): Promise<void> => {
    let failures = 1;
    for (let [next] = entries; next !== undefined && !signal.aborted; [next] = entries) {
      try {
        if (failures > 0) await context.clock.sleep(backoffMs(backoff, failures, context.random), signal);
        const producer = await context.producer(topic);
        const permit = context.permit();
        if (permit !== undefined) await permit;
        if (signal.aborted) return;
        await producer.sendAll([next.message]);
        entries.shift();
        failures = 0;
        context.published(topic, [next]);
      } catch (caught) {
        if (signal.aborted) return;
        failures += 1;
        const error = PaystreamError.from(caught);
        context.failed(topic, next, error);
        if (error.code !== 'INVALID_ARGUMENT') context.dropProducer(topic);
        context.logger.error({ topic, key: next.message.key, waiting: entries.length, failures, err: error }, 'an event is still refused');
      }
    }
    if (key !== undefined) held.delete(key);
  };

  return {
    add: (entry, error) => {
      const { key } = entry.message;
      const entries = [entry];
      if (key !== undefined) held.set(key, entries);
      context.logger.error({ topic, key, err: error }, 'an event is refused by the broker: later ones of its key wait for it');
      void retry(key, entries);
    },
    pass: (entries) => {
      if (held.size === 0) return entries;
      return entries.filter((entry) => {
        const waiting = entry.message.key === undefined ? undefined : held.get(entry.message.key);
        waiting?.push(entry);
        return waiting === undefined;
      });
    },
  };
}
