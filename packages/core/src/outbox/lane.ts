import type { BrokerProducer, OutgoingMessage } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { backoffMs } from '../consumer/backoff.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import type { Random } from '../random/port.ts';
import type { Telemetry } from '../telemetry/port.ts';
import { createAttempt } from './attempt.ts';
import { createKeyHold } from './key-hold.ts';
import { firstPage, type OutboxEntry, type OutboxPlace, placeOf } from './row.ts';

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
  /** Whether memory holds as much as it may. */
  readonly full: boolean;
  /** Events leave memory, with their places kept. */
  setAside(entries: readonly OutboxEntry[]): void;
  /** Reads events that were set aside, in their order, but for those that are never to be published. They are in memory again. */
  takeBack(places: readonly OutboxPlace[]): Promise<readonly OutboxEntry[]>;
  /** An attempt failed whose first event this is, for another reason than what it is. */
  failed(topic: string, entry: OutboxEntry, error: PaystreamError): void;
}

/** Publishes the events of one topic in order. */
export interface Lane {
  push(entry: OutboxEntry): void;
  /** Memory is needed: where the topic takes nothing, or has not taken yet what was set aside, what waits for it keeps its place only. */
  makeRoom(): void;
}

const none: readonly OutboxEntry[] = [];

/** Waits between attempts to reach the broker. */
const backoff = { delayMs: 100, maxDelayMs: 5_000 } as const;

/**
 * Makes a lane. One call of the broker is under way at a time, since two could be stored in another order if the first one
 * failed; what comes meanwhile forms the next.
 */
export function createLane(topic: string, context: LaneContext): Lane {
  const { signal } = context;
  /** The first to be published; memory holds their places only. */
  let aside: OutboxPlace[] = [];
  let queue: OutboxEntry[] = [];
  let running = false;
  /** Attempts that failed since one did not, for another reason than what is sent. */
  let failures = 0;
  const attempt = createAttempt(topic, context, context.published);
  const hold = createKeyHold(topic, context);

  /** Publishes a batch; what the broker refuses for what it is holds back its own key only. Gives what has to make room for other topics. */
  const publish = async (batch: readonly OutboxEntry[]): Promise<readonly OutboxEntry[]> => {
    while (!signal.aborted) {
      const failed = await attempt(batch);
      const [first] = batch;
      if (failed === undefined || first === undefined) {
        failures = 0;
        return none;
      }
      const { error, refused } = failed;
      if (refused) failures = 0;
      if (refused && batch.length === 1) {
        hold.add(first, error);
        return none;
      }
      if (refused) {
        const middle = batch.length >> 1;
        const behind = batch.slice(middle);
        const left = await publish(batch.slice(0, middle));
        return left.length > 0 ? [...left, ...behind] : publish(hold.pass(behind));
      }
      failures += 1;
      context.failed(topic, first, error);
      const waitMs = backoffMs(backoff, failures, context.random);
      context.logger.warn(
        { topic, events: batch.length, failures, err: error },
        `events cannot be published; trying again in ${waitMs} ms`,
      );
      await context.clock.sleep(waitMs, signal).catch(() => undefined);
      if (context.full) return batch;
    }
    return none;
  };

  const takeBack = async (): Promise<readonly OutboxEntry[]> => {
    const places = firstPage(aside, context.maxBatch);
    try {
      const entries = await context.takeBack(places);
      aside = aside.slice(places.length);
      return entries;
    } catch (error) {
      if (signal.aborted) return none;
      context.logger.warn({ topic, err: error }, 'events cannot be read again; trying again in a second');
      await context.clock.sleep(1_000, signal).catch(() => undefined);
      return none;
    }
  };

  const take = (): readonly OutboxEntry[] => {
    const all = queue.length <= context.maxBatch;
    const taken = all ? queue : queue.slice(0, context.maxBatch);
    queue = all ? [] : queue.slice(context.maxBatch);
    return taken;
  };

  const run = async (): Promise<void> => {
    while ((queue.length > 0 || aside.length > 0) && !signal.aborted) {
      const batch = hold.pass(aside.length > 0 ? await takeBack() : take());
      if (batch.length === 0) continue;
      const left = await publish(batch);
      if (left.length === 0 || signal.aborted) continue;
      aside = [...left.map(placeOf), ...aside];
      context.setAside(left);
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
    makeRoom: () => {
      // Behind what is aside nothing goes out soon.
      if (queue.length === 0 || (failures === 0 && aside.length === 0)) return;
      const entries = queue;
      queue = [];
      aside = [...aside, ...entries.map(placeOf)];
      context.setAside(entries);
    },
  };
}
