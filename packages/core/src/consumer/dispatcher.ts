import type { ClockTimer } from '../clock/port.ts';
import { noTelemetry } from '../telemetry/port.ts';
import { backoffMs } from './backoff.ts';
import type { Calls, Failure } from './calls.ts';
import type { Forwarder } from './forwarder.ts';
import type { Entry, Lane, Lanes, Taken } from './lanes.ts';
import type { Pause } from './pause.ts';
import type { ConsumerSettings } from './settings.ts';
import { isAway, isStopped, verdictOf } from './verdict.ts';

/** Hands waiting messages to the handler, and decides what becomes of them. */
export interface Dispatcher {
  /** Hands over what may be handed over now. */
  pump(): void;
  /** Keeps `idle` from resolving until the promise has settled. */
  track(work: Promise<unknown>): void;
  /** How many messages wait for what was taken. */
  readonly postponed: number;
  /** Resolves when nothing is under way. */
  idle(): Promise<void>;
}

/** What a dispatcher works with. */
export interface DispatcherParts<T> {
  readonly settings: ConsumerSettings<T>;
  readonly lanes: Lanes<T>;
  readonly calls: Calls<T>;
  readonly pause: Pause;
  readonly forwarder: Forwarder;
  /** Nothing new is begun. */
  readonly stopping: AbortSignal;
  /** What is under way is given up. */
  readonly aborting: AbortSignal;
}

/** A lane that is not let go of when its unit ends: what goes back into it, and until when it is held. */
interface Hold<T> {
  /** Never rejects: nobody listens to it before the unit has ended. */
  readonly until: Promise<void>;
  readonly back: Entry<T>[];
}

/** Messages taken together. */
interface Unit<T> {
  holds: Map<Lane<T>, Hold<T>> | undefined;
}

/** The shortest wait for what is taken, in milliseconds: no number of attempts ends these waits. */
const leastPostponedMs = 100;

/** Most locks are short; somebody should look at one that is held for longer, in milliseconds. */
const worthALookMs = 60_000;

/** Makes the dispatcher of a consumer. */
export function createDispatcher<T>(parts: DispatcherParts<T>): Dispatcher {
  const { settings, lanes, calls, pause, forwarder, stopping, aborting } = parts;
  const { clock, random, retry, logger, telemetry, subscription } = settings;
  const topic = settings.topic.name;
  const labelsOf = (outcome: string): Record<string, string> => ({ topic, subscription, outcome });
  const labels = { topic, subscription };
  const outcomes = {
    handled: labelsOf('handled'),
    retried: labelsOf('retried'),
    deadLettered: labelsOf('dead-lettered'),
    postponed: labelsOf('postponed'),
  };
  const postponement = {
    delayMs: Math.max(retry.delayMs, leastPostponedMs),
    maxDelayMs: Math.max(retry.maxDelayMs, leastPostponedMs),
  };
  let postponed = 0;
  let running = 0;
  let tracked = 0;
  let idle: (() => void)[] = [];
  let linger: ClockTimer | undefined;
  let lingered = false;

  const checkIdle = (): void => {
    if (running > 0 || tracked > 0) return;
    const woken = idle;
    idle = [];
    for (const wake of woken) wake();
  };
  const track = (work: Promise<unknown>): void => {
    tracked += 1;
    const settled = (): void => {
      tracked -= 1;
      checkIdle();
    };
    work.then(settled, settled);
  };
  const count = (labels: Record<string, string>, by: number): void => telemetry.count('paystream_consumer_messages_total', labels, by);
  // For alarms, which hear of no first one that was not 0 before.
  count(outcomes.deadLettered, 0);
  const about = (entry: Entry<T>, { error, traceparent }: Failure): Record<string, unknown> => ({
    topic,
    subscription,
    key: entry.delivery.key,
    eventId: entry.delivery.eventId,
    attempt: entry.delivery.attempt,
    traceparent,
    err: error,
  });

  const hold = (unit: Unit<T>, lane: Lane<T>, until: Promise<void>, back: Entry<T>[]): void => {
    unit.holds ??= new Map();
    unit.holds.set(lane, { until, back });
  };

  const deadLetter = async (entry: Entry<T>, failure: Failure): Promise<void> => {
    logger.error(about(entry, failure), 'a message goes to the dead-letter topic');
    if (!(await forwarder.deadLetter(entry.message, failure.error, entry.delivery.attempt))) return;
    count(outcomes.deadLettered, 1);
    entry.source.acknowledge(entry);
  };

  const retryByTopic = async (entry: Entry<T>, delayMs: number): Promise<void> => {
    const forwarded = await forwarder.retryLater(entry.message, entry.delivery, delayMs);
    if (forwarded === 'published') entry.source.acknowledge(entry);
    // With what tells of its attempts it would be larger than the broker takes: so the broker counts them, and delivers it again.
    if (forwarded === 'too-large') entry.source.giveBack(entry, delayMs);
  };

  /** Holds the lane, and puts the message back in front of it after a while. A stop ends the wait: what waits is then left to whoever receives it next. */
  const holdBack = (unit: Unit<T>, entry: Entry<T>, delayMs: number): Promise<void> => {
    entry.failed = true;
    const waited = clock.sleep(delayMs, stopping).catch(() => undefined);
    hold(unit, entry.lane, waited, [entry]);
    return waited;
  };

  /** Waits for what others hold; whatever the mode, since the next attempt is to be soon after. */
  const postpone = async (unit: Unit<T>, entry: Entry<T>, failure: Failure): Promise<void> => {
    entry.postponed += 1;
    const delayMs = backoffMs(postponement, entry.postponed, random);
    const before = entry.postponedMs;
    entry.postponedMs += delayMs;
    count(outcomes.postponed, 1);
    const told = { ...about(entry, failure), delayMs, postponed: entry.postponed, postponedMs: before };
    if (before < worthALookMs && entry.postponedMs >= worthALookMs) {
      logger.error(told, 'what a handler needs has been taken for a minute: its key waits, and takes up a place of maxInFlight');
    } else {
      logger.warn(told, 'what a handler needs is taken: its key waits');
    }
    postponed += 1;
    telemetry.gauge('paystream_consumer_postponed', labels, postponed);
    await holdBack(unit, entry, delayMs);
    postponed -= 1;
    telemetry.gauge('paystream_consumer_postponed', labels, postponed);
  };

  const fail = (unit: Unit<T>, entry: Entry<T>, failure: Failure): void => {
    const verdict = verdictOf(failure.error, { attempt: entry.delivery.attempt, postponedMs: entry.postponedMs }, retry);
    if (verdict === 'dead-letter') {
      hold(unit, entry.lane, deadLetter(entry, failure), []);
      return;
    }
    if (verdict === 'postpone') {
      void postpone(unit, entry, failure);
      return;
    }
    const delayMs = backoffMs(retry, entry.delivery.attempt, random);
    count(outcomes.retried, 1);
    logger.warn({ ...about(entry, failure), delayMs }, 'a handler failed: the message is tried again');
    // One that was postponed stays: whoever receives it from the topic would not know for how long it was.
    if (retry.mode === 'topic' && entry.postponed === 0) {
      track(retryByTopic(entry, delayMs));
      return;
    }
    entry.delivery = { ...entry.delivery, attempt: entry.delivery.attempt + 1 };
    void holdBack(unit, entry, delayMs);
  };

  /** Leaves messages to whoever receives them next, since the consumer stops. What the unit holds of their keys behind them is left as well. */
  const leave = (unit: Unit<T>, entries: readonly Entry<T>[]): void => {
    for (const entry of entries) {
      const held = unit.holds?.get(entry.lane);
      if (held === undefined) hold(unit, entry.lane, Promise.resolve(), [entry]);
      else held.back.push(entry);
    }
  };

  /** Leaves out the messages of keys that wait: they go back behind the one that they wait for. */
  const withoutHeld = (unit: Unit<T>, entries: readonly Entry<T>[]): readonly Entry<T>[] => {
    const { holds } = unit;
    if (holds === undefined) return entries;
    return entries.filter((entry) => {
      const held = holds.get(entry.lane);
      held?.back.push(entry);
      return held === undefined;
    });
  };

  /** Calls until what the handler needs is there. `undefined` for the failure: handled. No result: the consumer stops. */
  const call = async (unit: Unit<T>, entries: readonly Entry<T>[]): Promise<{ readonly failure: Failure | undefined } | undefined> => {
    const batch = entries.map((entry) => entry.delivery);
    for (;;) {
      const failure = await calls.run(batch);
      if (failure === undefined || !isAway(failure.error)) {
        pause.back(unit);
        return { failure };
      }
      if (!(await pause.away(unit, failure))) return undefined;
    }
  };

  const handle = async (unit: Unit<T>, entries: readonly Entry<T>[]): Promise<void> => {
    const now = withoutHeld(unit, entries);
    const first = now[0];
    if (first === undefined || aborting.aborted) return;
    const result = await call(unit, now);
    if (result === undefined) {
      leave(unit, now);
      return;
    }
    const { failure } = result;
    if (failure === undefined) {
      for (const entry of now) entry.source.acknowledge(entry);
      count(outcomes.handled, now.length);
      return;
    }
    // What fails after it was told to stop has not failed by itself: the broker delivers it again.
    if (aborting.aborted || isStopped(failure.error, stopping.aborted)) {
      leave(unit, now);
      return;
    }
    if (now.length === 1) {
      fail(unit, first, failure);
      return;
    }
    const middle = now.length >> 1;
    await handle(unit, now.slice(0, middle));
    await handle(unit, now.slice(middle));
  };

  const releaseLater = (lane: Lane<T>, held: Hold<T>): void => {
    lanes.putBack(lane, held.back);
    const release = (): void => {
      lanes.release(lane);
      pump();
    };
    track(held.until.then(release));
  };

  /** How long messages have been on their way when they are handed over for the first time. */
  const tellDelays = (entries: readonly Entry<T>[]): void => {
    const now = clock.now();
    for (const { delivery } of entries) {
      if (delivery.attempt > 1) continue;
      telemetry.observe('paystream_consumer_delay_seconds', labels, Math.max(0, now - delivery.publishTimeMs) / 1_000);
    }
  };

  const runUnit = async (taken: Taken<T>): Promise<void> => {
    if (telemetry !== noTelemetry) tellDelays(taken.entries);
    const unit: Unit<T> = { holds: undefined };
    await handle(unit, taken.entries);
    running -= 1;
    for (const lane of taken.lanes) {
      const held = unit.holds?.get(lane);
      if (held === undefined) lanes.release(lane);
      else releaseLater(lane, held);
    }
    taken.entries.length = 0;
    pump();
    checkIdle();
  };

  const mayBegin = (): boolean => !stopping.aborted && pause.reason === undefined && running < settings.concurrency && lanes.available > 0;

  const waitForMore = (): boolean => {
    if (settings.lingerMs === 0 || lingered || lanes.available >= settings.maxBatchSize) return false;
    linger ??= clock.setTimer(settings.lingerMs, () => {
      linger = undefined;
      lingered = true;
      pump();
    });
    return true;
  };

  const pump = (): void => {
    while (mayBegin() && !waitForMore()) {
      linger?.cancel();
      linger = undefined;
      lingered = false;
      running += 1;
      void runUnit(lanes.take(settings.maxBatchSize));
    }
  };
  stopping.addEventListener('abort', () => linger?.cancel(), { once: true });

  return {
    pump,
    track,
    get postponed() {
      return postponed;
    },
    idle: () => (running === 0 && tracked === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
