import type { BrokerSubscription, IncomingMessage, MessageId } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { backoffMs, probing } from './backoff.ts';
import { PassingMap } from './passing-map.ts';
import type { Reception } from './reception.ts';
import type { CommonSettings } from './settings.ts';
import { unlessAborted } from './unless-aborted.ts';

/** A message that was received and is not settled. */
export interface Held {
  /** The copy received last: a broker that reconnects delivers again what it has no acknowledgement for. */
  message: IncomingMessage;
  /** Told when its acknowledgement is stored, or was given up and why. */
  readonly onAcknowledged?: (error?: PaystreamError) => void;
}

/** One of the topics that a consumer receives from, and acknowledges to. */
export interface Source {
  /** Messages received and not settled. */
  readonly inFlight: number;
  /** Receives what there is room for until the signal is aborted or the subscription is closed. */
  run(stopping: AbortSignal): Promise<void>;
  /** Looks again whether more may be received. */
  wake(): void;
  /** Acknowledges, together with all others of this turn. */
  acknowledge(entry: Held): void;
  /** Gives a message back to the broker, to be delivered again after so many milliseconds. */
  giveBack(entry: Held, delayMs: number): void;
  /** Resolves when every acknowledgement so far is stored, or was given up because of the signal `ended`. */
  flush(): Promise<void>;
}

/** What a source is made of. */
export interface SourceOptions {
  readonly subscription: BrokerSubscription;
  /** At most so many in flight. */
  readonly limit: number;
  readonly settings: CommonSettings;
  /** Is told how each call of `receive` ends. */
  readonly reception: Reception;
  /** Whether nothing should be received now. */
  readonly held: () => boolean;
  /** Takes in a new message; gives what stands for it until it is acknowledged. */
  readonly accept: (message: IncomingMessage, source: Source) => Held;
  /** Once aborted, acknowledgements that the broker does not take are not tried again. */
  readonly ended: AbortSignal;
  /** Called after a number of messages were accepted or settled. */
  readonly onChange: () => void;
}

/**
 * How many acknowledgements may be on their way at once. What is handled meanwhile would have to wait for the answer to the one before,
 * and takes up a place of `limit` all that time; with many each would be of few messages.
 */
const maxRuns = 4;

/** Makes a source. Nothing is received before `run`. */
export function createSource(options: SourceOptions): Source {
  const { subscription, limit, settings, reception, held, accept, ended, onChange } = options;
  const { clock, random, logger, telemetry } = settings;
  const policy = probing(settings.retry);
  const labels = { topic: subscription.topic, subscription: subscription.subscription };
  const inFlight = new PassingMap<MessageId, Held>();
  let waiting: (() => void) | undefined;
  let done: Held[] = [];
  /** How many runs of {@link acknowledgeAll} there are; those who wait until there is none. */
  let runs = 0;
  let flushed: (() => void)[] = [];
  /** Whether a run waits for the rest of its turn, and whether one tries again what the broker has not taken. */
  let gathering = false;
  let retrying = false;

  const wake = (): void => {
    const resume = waiting;
    waiting = undefined;
    resume?.();
  };

  /** Until something may have changed. */
  const change = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      waiting = resolve;
      if (signal.aborted) wake();
    });

  const acceptAll = (messages: readonly IncomingMessage[]): void => {
    for (const message of messages) {
      const known = inFlight.get(message.id);
      if (known === undefined) inFlight.add(message.id, accept(message, source));
      else known.message = message;
    }
    onChange();
  };

  const acknowledgeBatch = async (batch: readonly Held[]): Promise<void> => {
    const messages = batch.map((entry) => entry.message);
    await unlessAborted(subscription.acknowledge(messages), ended);
    for (let i = 0; i < batch.length; i++) {
      const entry = batch[i] as Held;
      // A copy that came meanwhile is to be acknowledged too, or the broker would wait for it for ever.
      if (entry.message !== messages[i]) {
        source.acknowledge(entry);
        continue;
      }
      inFlight.delete(entry.message.id);
      entry.onAcknowledged?.();
    }
    onChange();
    wake();
  };

  const giveUp = (entries: readonly Held[], cause: unknown): void => {
    done = [];
    const error = new PaystreamError('CANCELED', 'closed before the broker took the acknowledgement: the message comes again', {
      reason: 'CLOSED',
      cause,
    });
    logger.warn({ ...labels, err: error, messages: entries.length }, 'messages that were handled could not be acknowledged');
    for (const entry of entries) entry.onAcknowledged?.(error);
  };

  /** Acknowledges what is done until nothing is left. What fails is tried again by one run, for all. */
  const acknowledgeAll = async (): Promise<void> => {
    let failures = 0;
    const goOn = (): void => {
      if (failures > 0) retrying = false;
      failures = 0;
    };
    runs += 1;
    gathering = true;
    // The rest of this turn joins in.
    await new Promise((resolve) => setImmediate(resolve));
    gathering = false;
    while (done.length > 0 && !ended.aborted && (failures > 0 || !retrying)) {
      const batch = done;
      done = [];
      try {
        await acknowledgeBatch(batch);
        // An array that has grown old is collected late, and all that is in it.
        batch.length = 0;
        goOn();
      } catch (error) {
        if (PaystreamError.from(error).code === 'CANCELED') {
          giveUp(batch.concat(done), error);
          break;
        }
        done = done.length === 0 ? batch : batch.concat(done);
        if (failures === 0 && retrying) break;
        retrying = true;
        failures += 1;
        telemetry.count('paystream_consumer_broker_retries_total', { ...labels, operation: 'acknowledge' });
        logger.warn({ ...labels, err: error, messages: batch.length }, 'cannot acknowledge: tried again');
        await clock.sleep(backoffMs(policy, failures, random), ended).catch(() => undefined);
      }
    }
    goOn();
    if (done.length > 0 && ended.aborted) giveUp(done, ended.reason);
    runs -= 1;
    if (runs > 0) return;
    const woken = flushed;
    flushed = [];
    for (const resolve of woken) resolve();
  };

  const source: Source = {
    get inFlight() {
      return inFlight.size;
    },
    wake,
    acknowledge: (entry) => {
      done.push(entry);
      if (!gathering && !retrying && runs < maxRuns) void acknowledgeAll();
    },
    giveBack: (entry, delayMs) => {
      if (!inFlight.delete(entry.message.id)) return;
      subscription.negativeAcknowledge([entry.message], delayMs);
      onChange();
      wake();
    },
    flush: () => (runs === 0 ? Promise.resolve() : new Promise((resolve) => flushed.push(resolve))),
    run: async (stopping) => {
      stopping.addEventListener('abort', wake, { once: true });
      for (let failures = 0; !stopping.aborted; ) {
        const room = limit - inFlight.size;
        if (room <= 0 || held()) {
          await change(stopping);
          continue;
        }
        reception.began();
        try {
          acceptAll(await subscription.receive(room, stopping));
          reception.worked();
          failures = 0;
        } catch (error) {
          if (stopping.aborted) return;
          if (PaystreamError.from(error).code === 'CANCELED') throw error;
          failures += 1;
          reception.failed(error);
          await clock.sleep(backoffMs(policy, failures, random), stopping).catch(() => undefined);
        }
      }
    },
  };
  return source;
}
