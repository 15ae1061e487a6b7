import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Broker,
  type BrokerProducer,
  type Clock,
  type ClockTimer,
  createIdGenerator,
  noTelemetry,
  type OutgoingMessage,
  PaystreamError,
  type Random,
  type Running,
  sealMessage,
  systemClock,
  systemRandom,
  type Telemetry,
  type Topic,
} from '@paystream/core';
import { type LogEntry, msFromTimestamp } from '@paystream/core/contracts';
import { logTopic } from '../log-topic.ts';
import { droppedLinesEntry } from './dropped-lines.ts';
import { logEntryOfPinoLine, logLevelOf } from './pino-line.ts';
import { createRedactor, defaultRedactedKeys } from './redact.ts';

/** Options of {@link createTopicDestination}. */
export interface TopicDestinationOptions {
  readonly broker: Broker;
  /** The topic, or its name: `order-logs-topic`. */
  readonly topic: string | Topic<LogEntry>;
  /** The name of the service that writes: `checkout`. */
  readonly service: string;
  /** The least grave level that is sent: `debug`. Default: `trace`, which leaves the choice to the logger. */
  readonly level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  /** At most so many lines waiting to be sent; beyond it lines are dropped and counted. Default: 10,000. */
  readonly maxBuffered?: number;
  /** Names whose values are redacted, at any depth, instead of {@link defaultRedactedKeys}; see there how they are compared. */
  readonly redact?: readonly string[];
  /** How long lines are gathered before they are sent together, in milliseconds. Default: 50. */
  readonly lingerMs?: number;
  /** Told why lines could not be sent. It must not write to this destination. Default: nobody is; `dropped` counts. */
  readonly onError?: (error: PaystreamError) => void;
  /** Gets `paystream_log_lines_waiting` and `paystream_log_lines_dropped_total`, by topic and service. Default: keeps nothing. */
  readonly telemetry?: Telemetry;
  /** Default: {@link systemClock}. */
  readonly clock?: Clock;
  /** Default: {@link systemRandom}. */
  readonly random?: Random;
}

/** A destination for pino that publishes lines to a topic. */
export interface TopicDestination extends Running, AsyncDisposable {
  /** Takes a line. Returns at once, never throws; drops the line if it must, and counts it. */
  write(line: string): void;
  /** How many lines were dropped: the buffer was full, the line was too long, or the broker refused it. */
  readonly dropped: number;
  /** How many lines wait or are under way. */
  readonly buffered: number;
  /** Resolves when what was written so far is sent or dropped; never rejects. The callback is for pino's `logger.flush(callback)`. */
  flush(callback?: () => void): Promise<void>;
  /** Sends what it can until `timeoutMs` (default: 10,000) is over, drops and counts the rest. Safe to call again. */
  close(timeoutMs?: number): Promise<void>;
}

const batchSize = 500;
const longestLine = 1_048_576;
const mostCharacters = 67_108_864;
const firstRetryMs = 500;
const longestRetryMs = 5_000;
const graceMs = 100;

/**
 * A pino destination that turns lines into diagnostic entries on a log topic. Best effort by design: logging never waits
 * for the broker and never fails because of it. Lines wait in a bounded buffer, are sent in batches, and are kept while
 * the broker is away; what does not fit is dropped, and an entry `log.dropped` says how many once lines flow again.
 *
 * What the broker itself logs while it serves this destination is not written to the destination, so that a failing
 * broker cannot feed itself.
 *
 * @example
 * const destination = createTopicDestination({ broker, topic: 'order-logs-topic', service: 'checkout' });
 * const log = pino({}, destination);
 * log.info({ orderId: 'o-1' }, 'order placed');
 */
export function createTopicDestination(options: TopicDestinationOptions): TopicDestination {
  const { broker, service, clock = systemClock, random = systemRandom, maxBuffered = 10_000, lingerMs = 50, onError } = options;
  const { telemetry = noTelemetry } = options;
  const topic = typeof options.topic === 'string' ? logTopic(options.topic) : options.topic;
  const leastLevel = logLevelOf(options.level ?? 'trace');
  const nextId = createIdGenerator(clock, random);
  const context = { service, redactor: createRedactor(options.redact ?? defaultRedactedKeys), nextId, nowMs: () => clock.now() };
  const sending = new AsyncLocalStorage<boolean>();
  const labels = { topic: topic.name, service };

  const lines: string[] = [];
  let characters = 0;
  let underWay = 0;
  let dropped = 0;
  let droppedTold = 0;
  let timer: ClockTimer | undefined;
  let pumping: Promise<void> | undefined;
  let producer: BrokerProducer | undefined;
  let closing: Promise<void> | undefined;
  let closed = false;
  const deadline = new AbortController();

  const tellWaiting = (): void => telemetry.gauge('paystream_log_lines_waiting', labels, closed ? 0 : lines.length + underWay);
  const drop = (lost: number): void => {
    dropped += lost;
    telemetry.count('paystream_log_lines_dropped_total', labels, lost);
  };
  const failed = (error: unknown, lost: number): void => {
    drop(lost);
    onError?.(PaystreamError.from(error));
  };

  const messageOf = (entry: LogEntry): OutgoingMessage =>
    sealMessage(topic, entry, { eventId: entry.entryId, occurredAtMs: msFromTimestamp(entry.eventTime) });

  const seal = (batch: readonly string[]): OutgoingMessage[] => {
    const messages: OutgoingMessage[] = [];
    for (const line of batch) {
      try {
        const entry = logEntryOfPinoLine(line, context);
        if (entry.level >= leastLevel) messages.push(messageOf(entry));
      } catch (error) {
        failed(error, 1);
      }
    }
    if (dropped > droppedTold) {
      messages.push(messageOf(droppedLinesEntry(service, dropped - droppedTold, nextId(), clock.now())));
      droppedTold = dropped;
    }
    return messages;
  };

  const wakeAfter = (delayMs: number, wake: () => void): void => {
    const waiting = clock.setTimer(delayMs, () => {
      deadline.signal.removeEventListener('abort', onAbort);
      wake();
    });
    const onAbort = (): void => {
      waiting.cancel();
      wake();
    };
    deadline.signal.addEventListener('abort', onAbort, { once: true });
  };

  /** Sends until the broker has all, or refuses them for good. */
  const send = async (messages: readonly OutgoingMessage[]): Promise<void> => {
    for (let retryMs = firstRetryMs; ; retryMs = Math.min(retryMs * 2, longestRetryMs)) {
      try {
        producer ??= await broker.createProducer({ topic: topic.name });
        await producer.sendAll(messages);
        return;
      } catch (error) {
        const reason = PaystreamError.from(error);
        if (reason.code !== 'UNAVAILABLE' && messages.length > 1) {
          for (const message of messages) await send([message]);
          return;
        }
        failed(reason, reason.code === 'UNAVAILABLE' ? 0 : messages.length);
        if (reason.code !== 'UNAVAILABLE') return;
      }
      if (!deadline.signal.aborted) await new Promise<void>((resolve) => wakeAfter(retryMs, resolve));
      if (deadline.signal.aborted) break;
    }
    drop(messages.length);
  };

  const pump = async (): Promise<void> => {
    while (lines.length > 0) {
      const batch = lines.splice(0, batchSize);
      underWay = batch.length;
      for (const line of batch) characters -= line.length;
      const messages = seal(batch);
      if (messages.length > 0) await send(messages);
      underWay = 0;
      tellWaiting();
    }
  };

  const start = (): Promise<void> => {
    timer?.cancel();
    timer = undefined;
    pumping ??= sending.run(true, pump).finally(() => {
      pumping = undefined;
    });
    return pumping;
  };

  const arm = (): void => {
    if (timer !== undefined || pumping !== undefined) return;
    timer = clock.setTimer(lingerMs, () => void start(), { unref: true });
  };

  const flush = async (callback?: () => void): Promise<void> => {
    while (lines.length > 0 || pumping !== undefined) await start();
    callback?.();
  };

  const finish = async (timeoutMs: number): Promise<void> => {
    const cutOff = clock.setTimer(timeoutMs, () => deadline.abort());
    const hung = new Promise<true>((resolve) => deadline.signal.addEventListener('abort', () => resolve(true), { once: true }));
    const sent = flush().then(() => producer?.close());
    // A broker that neither takes nor refuses must not keep the process from ending.
    if ((await Promise.race([sent, hung])) === true) await Promise.race([sent, clock.sleep(graceMs)]);
    cutOff.cancel();
    closed = true;
    tellWaiting();
  };

  const close = (timeoutMs = 10_000): Promise<void> => {
    closing ??= finish(timeoutMs);
    return closing;
  };

  drop(0);
  tellWaiting();
  return {
    write: (line) => {
      const full = lines.length + underWay >= maxBuffered || line.length > longestLine || characters + line.length > mostCharacters;
      if (full || closing !== undefined || sending.getStore() === true) {
        drop(1);
        return;
      }
      lines.push(line);
      characters += line.length;
      tellWaiting();
      if (lines.length >= batchSize && pumping === undefined) void start();
      else arm();
    },
    get dropped() {
      return dropped;
    },
    get buffered() {
      return lines.length + underWay;
    },
    flush,
    check: () => broker.ping(),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
