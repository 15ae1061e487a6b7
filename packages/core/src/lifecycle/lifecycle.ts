import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import { within } from './deadline.ts';
import type { Component, ComponentHealth, Lifecycle, Running } from './port.ts';

/** Options of {@link createLifecycle}. */
export interface LifecycleOptions {
  /** Told what starts, stops and fails. Default: nothing is written. */
  readonly logger?: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** How long one component's check may take, in milliseconds, before it counts as degraded. Default: 2,000. */
  readonly checkTimeoutMs?: number;
}

interface Part {
  readonly component: Component;
  state: ComponentHealth['state'];
  running: Running | undefined;
  detail: string | undefined;
}

/** The least time that a component gets to close when those before it have used up all. */
const leastCloseMs = 100;

function textOf(error: unknown): string {
  const failure = PaystreamError.from(error);
  return `${failure.reason}: ${failure.message}`;
}

/**
 * Starts components in the order given and stops them in the reverse.
 *
 * @example
 * const lifecycle = createLifecycle([database, broker, payment, orderServer]);
 * await lifecycle.start();
 * process.once('SIGTERM', () => void lifecycle.stop(15_000));
 */
export function createLifecycle(components: readonly Component[], options: LifecycleOptions = {}): Lifecycle {
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const checkTimeoutMs = options.checkTimeoutMs ?? 2_000;
  const parts = components.map((component): Part => ({ component, state: 'stopped', running: undefined, detail: undefined }));
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  let ended = false;

  const fail = (part: Part, error: unknown): void => {
    part.state = 'failed';
    part.detail = textOf(error);
  };

  const startPart = async (part: Part): Promise<void> => {
    const startedMs = clock.monotonic();
    part.state = 'starting';
    try {
      part.running = await part.component.start();
    } catch (error) {
      fail(part, error);
      throw error;
    }
    part.state = 'ready';
    logger.info({ component: part.component.name, durationMs: Math.round(clock.monotonic() - startedMs) }, 'started');
  };

  const stopPart = async (part: Part, deadlineMs: number): Promise<void> => {
    const { running, component } = part;
    if (running === undefined) return;
    part.running = undefined;
    part.state = 'stopping';
    const leftMs = Math.max(leastCloseMs, deadlineMs - clock.monotonic());
    try {
      // Told to be done a little earlier, so that it can still close what it created when its work does not end by itself.
      await within(
        clock,
        leftMs,
        running.close(Math.floor(leftMs * 0.9)),
        `"${component.name}" did not stop within ${Math.round(leftMs)} ms`,
      );
    } catch (error) {
      fail(part, error);
      logger.error({ component: component.name, err: error }, 'did not stop cleanly');
      throw error;
    }
    part.state = 'stopped';
    logger.info({ component: component.name }, 'stopped');
  };

  const stopAll = async (deadlineMs: number): Promise<void> => {
    const errors: unknown[] = [];
    for (const part of parts.toReversed()) {
      await stopPart(part, deadlineMs).catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  };

  const startAll = async (): Promise<void> => {
    for (const part of parts) {
      try {
        await startPart(part);
      } catch (error) {
        logger.error({ component: part.component.name, err: error }, 'did not start');
        // What goes wrong now stands in the log; the first error is the one that tells why.
        if (stopping === undefined) await stopAll(clock.monotonic() + 10_000).catch(() => undefined);
        throw error;
      }
      if (stopping === undefined) continue;
      // It took longer than whoever stopped all waited.
      if (ended) await stopPart(part, clock.monotonic());
      throw new PaystreamError('CANCELED', 'stopped while starting', { reason: 'STOPPED' });
    }
  };

  const stop = async (deadlineMs: number, timeoutMs: number): Promise<void> => {
    // A component that is just starting is waited for, so that it can be stopped in its turn.
    await Promise.allSettled([within(clock, timeoutMs, starting ?? Promise.resolve(), 'still starting')]);
    await stopAll(deadlineMs).finally(() => {
      ended = true;
    });
  };

  const healthOf = async ({ component, state, running, detail }: Part): Promise<ComponentHealth> => {
    const { name } = component;
    if (state !== 'ready' || running === undefined) return { name, state, detail: detail ?? `it is ${state}` };
    try {
      await within(clock, checkTimeoutMs, running.check?.() ?? Promise.resolve(), `its check took longer than ${checkTimeoutMs} ms`);
      return { name, state: 'ready' };
    } catch (error) {
      return { name, state: 'degraded', detail: textOf(error) };
    }
  };

  return {
    start: () => {
      if (stopping !== undefined) {
        return Promise.reject(new PaystreamError('FAILED_PRECONDITION', 'stopped already; make a new lifecycle', { reason: 'STOPPED' }));
      }
      starting ??= startAll();
      return starting;
    },
    health: async () => {
      const all = await Promise.all(parts.map(healthOf));
      const fits = ({ state }: ComponentHealth, index: number): boolean =>
        state === 'ready' || (state === 'degraded' && parts[index]?.component.essential === false);
      return { ready: all.every(fits), components: all };
    },
    stop: (timeoutMs = 10_000) => {
      stopping ??= stop(clock.monotonic() + timeoutMs, timeoutMs);
      return stopping;
    },
  };
}
