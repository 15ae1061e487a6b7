import { type Clock, type ClockTimer, type Logger, PaystreamError, type Random, type Telemetry, type TraceContext } from '@paystream/core';
import { DeliveryState } from '@paystream/core/contracts';
import type { Channel } from '../channel/port.ts';
import { type Attempt, attemptAll } from './attempt.ts';
import { endDeliverySpan, startDeliverySpan } from './delivery-span.ts';
import type { ClaimedDelivery, DeliveryResult, DeliveryStore, OwnedResult } from './delivery-store.ts';
import type { Ownership } from './ownership.ts';
import type { PendingDelivery } from './pending-delivery.ts';
import { type DeliveryRetry, decide } from './retry.ts';
import type { Storing } from './storing.ts';

/** Options of {@link createDispatcher}. */
export interface DispatcherOptions {
  /** The channel's name in the notifier. */
  readonly name: string;
  readonly channel: Channel;
  /** Whether it is so for all who may go on with a delivery of this instance. */
  readonly idempotent: boolean;
  readonly store: DeliveryStore;
  readonly ownership: Pick<Ownership, 'owner' | 'valid'>;
  readonly storing: Pick<Storing, 'has'>;
  readonly retry: Required<DeliveryRetry>;
  /** At most so many calls of the channel at once. */
  readonly concurrency: number;
  /** At most so many messages in one call of a batch channel. */
  readonly batchSize: number;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** Records results; rejects with `UNAVAILABLE` while the database is away. */
  readonly record: (results: readonly OwnedResult[]) => Promise<void>;
}

/** How a channel is. */
export interface ChannelStatus {
  readonly channel: string;
  /** `paused` while nothing can be sent. */
  readonly state: 'running' | 'paused' | 'stopped';
  /** Deliveries in memory. The others wait in the table. */
  readonly inMemory: number;
  /** Why it is paused. */
  readonly pausedBy?: string | undefined;
}

/** Delivers what one channel has to deliver; what it cannot hold stays in the table. */
export interface Dispatcher {
  /** How many more it would hold in memory. */
  readonly room: number;
  readonly status: ChannelStatus;
  /** Takes on deliveries that this instance owns. */
  offer(deliveries: readonly PendingDelivery[]): void;
  /** Says that there is work in the table. */
  lookInTable(): void;
  /** Looks in the table for all that is to be done, for what carries this instance's name without its knowing too. */
  sweep(): void;
  /** Forgets what it has not begun: it is no longer this instance's. */
  drop(): void;
  /** Starts nothing more; waits for what is under way until `timeoutMs` is over, then aborts it. */
  close(timeoutMs: number): Promise<void>;
}

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
const recordAgainMs = 1_000;
const mostBlamed = 10_000;

/** Makes the dispatcher of one channel. Nothing that happens to it touches another. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { name, channel, idempotent, store, ownership, storing, retry, concurrency, clock, random, logger, telemetry } = options;
  const batchSize = channel.capabilities.batch === true ? options.batchSize : 1;
  const capacity = 4 * batchSize * concurrency + 100;
  const labels = { channel: name };
  const stop = new AbortController();
  const attemptOptions = { channel, timeoutMs: options.timeoutMs, clock, stop: stop.signal };
  const idle: (() => void)[] = [];
  /** What is in memory, and under which name: `null` where another may have begun it since. */
  const held = new Map<string, string | null>();
  let queue: PendingDelivery[] = [];
  let running = 0;
  let more = true;
  let sweeping = false;
  let claiming = false;
  let closing: Promise<void> | undefined;
  let pausedBy: string | undefined;
  /** Since when the channel says so, by the monotonic clock; a table that cannot be written pauses it too. */
  let awaySinceMs: number | undefined;
  let pauseMs = 0;
  let probing = false;
  /** What the channel was said to be away for since it was last probed. */
  const suspects = new Map<string, string>();
  const blamedBefore = new Set<string>();
  let wakeTimer: ClockTimer | undefined;
  let wakeAtMs = Number.POSITIVE_INFINITY;

  const wakeAt = (atMs: number): void => {
    if (closing !== undefined || atMs >= wakeAtMs) return;
    wakeTimer?.cancel();
    wakeAtMs = atMs;
    wakeTimer = clock.setTimer(Math.max(1, atMs - clock.now()), wake, { unref: true });
  };
  const wake = (): void => {
    wakeAtMs = Number.POSITIVE_INFINITY;
    more = true;
    pump();
  };

  const pause = (why: string): void => {
    if (pausedBy === undefined || probing) {
      suspects.clear();
      pauseMs = pausedBy === undefined ? firstPauseMs : Math.min(pauseMs * 2, longestPauseMs);
      if (pausedBy === undefined) logger.warn({ channel: name, detail: why }, 'a channel is away: its deliveries wait');
      telemetry.gauge('paystream_notify_channel_paused', { channel: name }, 1);
      clock.setTimer(
        pauseMs,
        () => {
          probing = true;
          pump();
        },
        { unref: true },
      );
    }
    pausedBy = why;
    probing = false;
  };
  /**
   * When others go through right after, it was perhaps not away: it may refuse one message with those words, which would stop all others
   * again and again. Once that costs a message nothing, and from then on a try.
   */
  const blame = (): void => {
    const isBlamed = ({ message }: PendingDelivery): boolean => blamedBefore.has(message.deliveryId) && suspects.has(message.deliveryId);
    const blamed = queue.filter(isBlamed);
    queue = queue.filter((delivery) => !isBlamed(delivery));
    if (blamedBefore.size > mostBlamed) blamedBefore.clear();
    for (const deliveryId of suspects.keys()) blamedBefore.add(deliveryId);
    const attempts = blamed.map(({ message }): Attempt => ({ kind: 'deferred', detail: suspects.get(message.deliveryId) ?? '' }));
    suspects.clear();
    if (blamed.length > 0) start(settle(blamed, attempts));
  };
  const resume = (): void => {
    awaySinceMs = undefined;
    if (pausedBy === undefined) return;
    pausedBy = undefined;
    probing = false;
    telemetry.gauge('paystream_notify_channel_paused', { channel: name }, 0);
    logger.info({ channel: name }, 'a channel is back');
    blame();
  };

  /** Records until the database has it: forgetting an outcome could send twice. */
  const recordSurely = async (results: readonly DeliveryResult[]): Promise<void> => {
    for (;;) {
      try {
        await options.record(results.map((result) => ({ ...result, owner: held.get(result.delivery.message.deliveryId) ?? null })));
        return;
      } catch (error) {
        logger.warn({ channel: name, deliveries: results.length, err: error }, 'outcomes of deliveries could not be recorded');
        if (stop.signal.aborted) return;
      }
      await clock.sleep(recordAgainMs, stop.signal).catch(() => undefined);
    }
  };

  const settle = async (batch: readonly PendingDelivery[], attempts: readonly Attempt[], trace?: TraceContext): Promise<void> => {
    const awayForMs = awaySinceMs === undefined ? 0 : clock.monotonic() - awaySinceMs;
    const context = { channel: name, idempotent, retry, random, awayForMs, nowMs: clock.now(), trace };
    const results: DeliveryResult[] = [];
    const notSent: PendingDelivery[] = [];
    batch.forEach((delivery, index) => {
      const attempt = attempts[index] as Attempt;
      const result = decide(delivery, attempt, context);
      const marked = !idempotent && delivery.atMostOnce;
      if (attempt.kind === 'away' && result.state === DeliveryState.PENDING && !marked) {
        notSent.push(delivery);
        suspects.set(delivery.message.deliveryId, attempt.detail);
      } else results.push(result);
      telemetry.count('paystream_notify_attempts_total', { channel: name, outcome: attempt.kind });
    });
    if (results.length > 0) await recordSurely(results);
    for (const { delivery, state } of results) {
      held.delete(delivery.message.deliveryId);
      if (state !== DeliveryState.PENDING) blamedBefore.delete(delivery.message.deliveryId);
    }
    // The channel is probed with each in its turn: it may refuse one alone with these words.
    queue.push(...notSent);
    for (const result of results) if (result.state === DeliveryState.PENDING) wakeAt(result.dueAtMs);
  };

  const interrupted: Attempt = { kind: 'unknown', detail: 'the process ended while this was being sent' };

  const run = async (taken: readonly PendingDelivery[]): Promise<void> => {
    const marked = idempotent ? [] : taken.filter((delivery) => delivery.atMostOnce);
    let batch = taken;
    if (marked.length > 0) {
      try {
        const lost = new Set(marked.map((delivery) => delivery.message.deliveryId));
        for (const id of await store.markSending([...lost], ownership.owner)) lost.delete(id);
        // Others took them over while this instance stood still, and may have sent them.
        for (const id of lost) held.delete(id);
        batch = taken.filter((delivery) => !lost.has(delivery.message.deliveryId));
        if (batch.length === 0) return;
      } catch (error) {
        // Nothing was sent: the batch waits until the database is back.
        queue = [...taken, ...queue];
        pause(`the delivery table cannot be written: ${PaystreamError.from(error).message}`);
        return;
      }
    }
    const span = telemetry.tracing ? startDeliverySpan(telemetry, name, batch) : undefined;
    const send = () => attemptAll(attemptOptions, batch);
    const attempts = await (span === undefined ? send() : span.run(send));
    const away = attempts.find((attempt) => attempt.kind === 'away');
    if (span !== undefined) endDeliverySpan(span, name, attempts);
    if (away === undefined) resume();
    else {
      awaySinceMs ??= clock.monotonic();
      pause(away.detail);
    }
    await settle(batch, attempts, span && { traceparent: span.traceparent, tracestate: span.tracestate });
  };

  const start = (work: Promise<void>): void => {
    running += 1;
    const done = (): void => {
      running -= 1;
      pump();
    };
    work.then(done, (error: unknown) => {
      logger.error({ channel: name, err: error }, 'a delivery failed in a way that it should not');
      done();
    });
  };

  const accept = async (claimed: readonly ClaimedDelivery[]): Promise<void> => {
    const unknown: ClaimedDelivery[] = [];
    for (const delivery of claimed) {
      const { deliveryId } = delivery.message;
      const isHeld = held.has(deliveryId);
      // One that is still under way here ends there: others took this instance for dead, or its outcome was stored without an answer.
      if (!isHeld) unknown.push(delivery);
      // Another may have marked it as being sent meanwhile, and died: then this instance's outcome is not the last word.
      held.set(deliveryId, isHeld && delivery.interrupted ? null : ownership.owner);
    }
    const lost = unknown.filter((delivery) => delivery.interrupted && !idempotent);
    queue.push(...unknown.filter((delivery) => !lost.includes(delivery)));
    if (lost.length > 0)
      await settle(
        lost,
        lost.map(() => interrupted),
      );
  };

  /** How many more may be taken on. The intake offers some too, so there may be too many already. */
  const space = (): number => Math.max(0, capacity - queue.length);

  /**
   * Takes on what is this instance's without its knowing: the answer to the commit of a claim or of an intake was lost. Nobody
   * else would, for as long as it lives. No claim is under way meanwhile, and what is being stored is handed over by the intake.
   */
  const adopt = async (owner: string): Promise<void> => {
    const isStray = (deliveryId: string): boolean => !held.has(deliveryId) && !storing.has(deliveryId);
    const strays = (await store.owned(name, owner)).filter(isStray).slice(0, space());
    if (strays.length === 0) return;
    const found = await store.read(strays, owner);
    if (owner !== ownership.owner) return;
    if (found.length > 0) logger.info({ channel: name, deliveries: found.length }, 'deliveries were taken on without an answer to it');
    await accept(found);
  };

  const claim = async (): Promise<void> => {
    const { owner } = ownership;
    try {
      if (sweeping) await adopt(owner);
      sweeping = false;
      const limit = space();
      const claimed = await store.claim(name, owner, clock.now(), limit);
      if (claimed.length < limit) {
        const due = await store.nextDue(name);
        if (due !== undefined) wakeAt(due);
      } else more = true;
      // Under a name that is given up they are whoever's takes over from it.
      if (owner === ownership.owner) await accept(claimed);
    } catch (error) {
      logger.warn({ channel: name, err: error }, 'due deliveries could not be read');
      wakeAt(clock.now() + recordAgainMs);
    }
    claiming = false;
  };

  const pump = (): void => {
    const mayStart = closing === undefined && ownership.valid && (pausedBy === undefined || probing);
    const lanes = pausedBy === undefined ? concurrency : 1;
    while (mayStart && running < lanes && queue.length > 0) start(run(queue.splice(0, batchSize)));
    if (mayStart && more && !claiming && queue.length < capacity / 2) {
      more = false;
      claiming = true;
      void claim().then(pump);
    }
    telemetry.gauge('paystream_notify_in_memory', labels, held.size);
    if (running === 0 && !claiming) for (const done of idle.splice(0)) done();
  };

  const finish = async (timeoutMs: number): Promise<void> => {
    wakeTimer?.cancel();
    const deadline = clock.setTimer(timeoutMs, () =>
      stop.abort(new PaystreamError('CANCELED', 'the notifier stopped before the channel answered', { reason: 'NOTIFIER_STOPPED' })),
    );
    if (running > 0 || claiming) await new Promise<void>((resolve) => idle.push(resolve));
    deadline.cancel();
    queue = [];
  };

  return {
    get room() {
      return Math.max(0, capacity - held.size);
    },
    get status(): ChannelStatus {
      const state = closing !== undefined ? 'stopped' : pausedBy === undefined ? 'running' : 'paused';
      return { channel: name, state, inMemory: held.size, pausedBy };
    },
    offer: (deliveries) => {
      for (const delivery of deliveries) held.set(delivery.message.deliveryId, ownership.owner);
      queue.push(...deliveries);
      pump();
    },
    lookInTable: () => {
      more = true;
      pump();
    },
    sweep: () => {
      sweeping = true;
      more = true;
      pump();
    },
    drop: () => {
      for (const delivery of queue) held.delete(delivery.message.deliveryId);
      queue = [];
      more = true;
      pump();
    },
    close: (timeoutMs) => {
      closing ??= finish(timeoutMs);
      return closing;
    },
  };
}
