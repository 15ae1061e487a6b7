import { backoffMs, probing } from './backoff.ts';
import type { Failure } from './calls.ts';
import type { CommonSettings } from './settings.ts';

/** Whoever asks whether what was away is back. */
type Prober = object;

/** Stops a consumer while something that its handler needs is away. */
export interface Pause {
  /** Why it is paused; `undefined` while it runs. */
  readonly reason: string | undefined;
  /**
   * Says that a call failed because something is away. Resolves when to call again: for the first who said so, after a
   * wait that grows each time; for all others, once that one no longer fails. `false` if the consumer stops.
   */
  away(prober: Prober, failure: Failure): Promise<boolean>;
  /** Says that a call got through. */
  back(prober: Prober): void;
  /** The consumer is closed: leaves nothing to be seen. */
  end(): void;
}

/** Makes the pause of a consumer. `onResume` is called when work may go on. */
export function createPause(settings: CommonSettings, stopping: AbortSignal, onResume: () => void): Pause {
  const { clock, random, retry, logger, telemetry } = settings;
  const labels = { topic: settings.topic.name, subscription: settings.subscription };
  const policy = probing(retry);
  let prober: Prober | undefined;
  let reason: string | undefined;
  let probes = 0;
  let waiting: ((goOn: boolean) => void)[] = [];

  const wakeAll = (goOn: boolean): void => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake(goOn);
  };
  stopping.addEventListener('abort', () => wakeAll(false), { once: true });

  const pause = ({ error, traceparent }: Failure): void => {
    reason = `${error.reason}: ${error.message}`;
    telemetry.gauge('paystream_consumer_paused', labels, 1);
    logger.warn({ ...labels, err: error, traceparent }, 'paused: something that the handler needs is away');
  };

  return {
    get reason() {
      return reason;
    },
    away: async (caller, failure) => {
      if (stopping.aborted) return false;
      if (prober === undefined) {
        prober = caller;
        probes = 0;
        pause(failure);
      }
      if (prober !== caller) return new Promise<boolean>((resolve) => waiting.push(resolve));
      probes += 1;
      telemetry.count('paystream_consumer_probes_total', labels);
      try {
        await clock.sleep(backoffMs(policy, probes, random), stopping);
        return true;
      } catch {
        // The signal is the only thing that ends a sleep early.
        return false;
      }
    },
    back: (caller) => {
      if (prober !== caller) return;
      prober = undefined;
      reason = undefined;
      telemetry.gauge('paystream_consumer_paused', labels, 0);
      logger.info(labels, 'resumed');
      wakeAll(true);
      onResume();
    },
    end: () => {
      if (reason !== undefined) telemetry.gauge('paystream_consumer_paused', labels, 0);
    },
  };
}
