import type { BrokerProducer, OutgoingMessage } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { backoffMs } from '../consumer/backoff.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import type { Random } from '../random/port.ts';
import type { Telemetry } from '../telemetry/port.ts';
import { createAttempt } from './attempt.ts';
import { createKeyHold } from './key-hold.ts';
import type { OutboxEntry, OutboxPlace } from './row.ts';

/** What the lanes of one outbox share. */
export interface LaneContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** The broker's name. */
  readonly system: string;
  /** At most so many events in one call of the broker. */
  readonly maxBatch: number;
  /** Ends the lane: what it has not published is forgotten, not lost. */
  readonly signal: AbortSignal;
  producer(topic: string): Promise<BrokerProducer>;
  /** Makes the next `producer` a new one. */
  dropProducer(topic: string, producer: Promise<BrokerProducer>): void;
  /** Resolves once the rows are known to be this instance's; the signal may be aborted then. */
  permit(): undefined | Promise<void>;
  published(topic: string, entries: readonly OutboxEntry[]): void;
  /** An event is held back from now on: the broker refuses it, or one of its key before it. */
  heldBack(entry: OutboxEntry): void;
  /** Reads events that are held back, in their order. In the place of one that is never to be published there is none. */
  readAgain(places: readonly OutboxPlace[]): Promise<readonly (OutgoingMessage | undefined)[]>;
  /** Events that were held back are published. */
  released(topic: string, entries: readonly OutboxEntry[]): void;
  /** An attempt failed whose first event this is, for another reason than what it is. */
  failed(topic: string, entry: OutboxEntry, error: PaystreamError): void;
}

/** Publishes the events of one topic in order. */
export interface Lane {
  push(entry: OutboxEntry): void;
}

/** Waits between attempts to reach the broker. */
const backoff = { delayMs: 100, maxDelayMs: 5_000 } as const;

/**
 * Makes a lane. One call of the broker is under way at a time, since two could be stored in another order if the first one
 * failed; what comes meanwhile forms the next.
 */
export function createLane(topic: string, context: LaneContext): Lane {
  const { signal } = context;
  let queue: OutboxEntry[] = [];
  let running = false;
  const attempt = createAttempt(topic, context, context.published);
  const hold = createKeyHold(topic, context);

  /** Publishes a batch; what the broker refuses for what it is holds back its own key only. */
  const publish = async (batch: readonly OutboxEntry[]): Promise<void> => {
    for (let failures = 1; !signal.aborted; failures++) {
      const failed = await attempt(batch);
      const [first] = batch;
      if (failed === undefined || first === undefined) return;
      const { error, refused } = failed;
      if (refused && batch.length === 1) {
        hold.add(first, error);
        return;
      }
      if (refused) {
        const middle = batch.length >> 1;
        await publish(batch.slice(0, middle));
        await publish(hold.pass(batch.slice(middle)));
        return;
      }
      context.failed(topic, first, error);
      const waitMs = backoffMs(backoff, failures, context.random);
      context.logger.warn(
        { topic, events: batch.length, failures, err: error },
        `events cannot be published; trying again in ${waitMs} ms`,
      );
      await context.clock.sleep(waitMs, signal).catch(() => undefined);
    }
  };

  const run = async (): Promise<void> => {
    while (queue.length > 0 && !signal.aborted) {
      const all = queue.length <= context.maxBatch;
      const taken = all ? queue : queue.slice(0, context.maxBatch);
      queue = all ? [] : queue.slice(context.maxBatch);
      const batch = hold.pass(taken);
      if (batch.length > 0) await publish(batch);
    }
    running = false;
  };

  return {
    push: (entry) => {
      queue.push(entry);
      if (running) return;
      running = true;
      // All that one commit released goes out together.
      queueMicrotask(() => void run());
    },
  };
}
