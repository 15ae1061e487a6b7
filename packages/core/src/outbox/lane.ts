import type { BrokerProducer, OutgoingMessage } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { backoffMs } from '../consumer/backoff.ts';
import type { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import type { Random } from '../random/port.ts';
import type { Telemetry } from '../telemetry/port.ts';
import { type AttemptFailure, createAttempt } from './attempt.ts';
import { createKeyHold } from './key-hold.ts';
import { Line } from './line.ts';
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
  /** Whether others wait for memory, or will soon. */
  readonly crowded: boolean;
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

/** A topic that has not answered for so long, in milliseconds, may take nothing. */
const slowMs = 2_000;
/** Waits between attempts to reach the broker. */
const backoff = { delayMs: 100, maxDelayMs: 5_000 } as const;

/**
 * Makes a lane. One call of the broker is under way at a time, since two could be stored in another order if the first one
 * failed; what comes meanwhile forms the next.
 */
export function createLane(topic: string, context: LaneContext): Lane {
  const { signal, clock } = context;
  /** The first to be published; memory holds their places only. */
  const aside = new Line<OutboxPlace>();
  let queue: OutboxEntry[] = [];
  let running = false;
  /** Attempts that failed since one did not, for another reason than what is sent. */
  let failures = 0;
  /** When the attempt began that is under way. */
  let sinceMs: number | undefined;
  const hold = createKeyHold(topic, context);
  const attempt = createAttempt(topic, context, (name, entries) => {
    failures = 0;
    sinceMs = undefined;
    context.published(name, entries);
  });

  const isStuck = (): boolean => failures > 0 || (sinceMs !== undefined && clock.monotonic() - sinceMs >= slowMs);

  const attemptOnce = async (batch: readonly OutboxEntry[]): Promise<AttemptFailure | undefined> => {
    sinceMs = clock.monotonic();
    const failed = await attempt(batch);
    sinceMs = undefined;
    return failed;
  };

  /** Publishes a batch, behind which others were taken. Gives whether it did; if not, all of them are aside. */
  const publish = async (batch: readonly OutboxEntry[], behind: readonly OutboxEntry[]): Promise<boolean> => {
    const [first] = batch;
    while (first !== undefined && !signal.aborted) {
      const failed = await attemptOnce(batch);
      if (failed === undefined) return true;
      if (failed.refused) return refuse(batch, behind, failed.error);
      const { error } = failed;
      failures += 1;
      context.failed(topic, first, error);
      const { crowded } = context;
      if (crowded) {
        const entries = [...batch, ...behind];
        aside.putBack(entries.map(placeOf));
        context.setAside(entries);
      }
      const waitMs = backoffMs(backoff, failures, context.random);
      context.logger.warn(
        { topic, events: batch.length, failures, err: error },
        `events cannot be published; trying again in ${waitMs} ms`,
      );
      await clock.sleep(waitMs, signal).catch(() => undefined);
      if (crowded) return false;
    }
    return true;
  };

  /** The broker refuses an event of a batch for what it is: that holds back its own key only. */
  const refuse = async (batch: readonly OutboxEntry[], behind: readonly OutboxEntry[], error: PaystreamError): Promise<boolean> => {
    failures = 0;
    const [first] = batch;
    if (batch.length === 1 && first !== undefined) {
      hold.add(first, error);
      return true;
    }
    const middle = batch.length >> 1;
    const later = batch.slice(middle);
    return (await publish(batch.slice(0, middle), [...later, ...behind])) && publish(hold.pass(later), behind);
  };

  /** Of a topic that may still take nothing a single event is tried. */
  const most = (): number => (failures > 0 ? 1 : context.maxBatch);

  const takeBack = async (): Promise<readonly OutboxEntry[]> => {
    const places = firstPage(aside.first(most()), most());
    try {
      const entries = await context.takeBack(places);
      aside.drop(places.length);
      return entries;
    } catch (error) {
      if (signal.aborted) return none;
      context.logger.warn({ topic, err: error }, 'events cannot be read again; trying again in a second');
      await clock.sleep(1_000, signal).catch(() => undefined);
      return none;
    }
  };

  const take = (): readonly OutboxEntry[] => {
    const count = most();
    const all = queue.length <= count;
    const taken = all ? queue : queue.slice(0, count);
    queue = all ? [] : queue.slice(count);
    return taken;
  };

  const run = async (): Promise<void> => {
    while ((queue.length > 0 || aside.size > 0) && !signal.aborted) {
      const batch = hold.pass(aside.size > 0 ? await takeBack() : take());
      if (batch.length > 0) await publish(batch, none);
      // Where reading takes no time, as on SQLite, nothing else would have its turn while many are held back.
      else await new Promise(setImmediate);
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
      if (queue.length === 0 || !(isStuck() || aside.size > 0)) return;
      const entries = queue;
      queue = [];
      for (const entry of entries) aside.push(placeOf(entry));
      context.setAside(entries);
    },
  };
}
