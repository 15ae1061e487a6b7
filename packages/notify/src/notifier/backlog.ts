import { type Clock, type Logger, noTelemetry, type Telemetry } from '@paystream/core';
import type { DeliveryStore } from './delivery-store.ts';

/** Options of {@link createBacklog}. */
export interface BacklogOptions {
  readonly store: Pick<DeliveryStore, 'waiting'>;
  readonly channels: readonly string[];
  /** Under which name this instance has deliveries now. */
  readonly owner: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** Tells telemetry what waits in the table. */
export interface Backlog {
  /** Looks, unless it has done so within the last ten seconds or nobody is told. */
  look(): void;
  /** Leaves nothing to be seen. */
  close(): Promise<void>;
}

const everyMs = 10_000;

/** Makes what looks into the table, beside everything else: whatever it costs, no delivery waits for it. */
export function createBacklog({ store, channels, owner, clock, logger, telemetry }: BacklogOptions): Backlog {
  let nextMs = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;
  let told = false;
  let closed = false;

  const tell = (channel: string, count: number, oldestMs: number): void => {
    telemetry.gauge('paystream_notify_waiting', { channel }, count);
    telemetry.gauge('paystream_notify_oldest_seconds', { channel }, oldestMs / 1_000);
  };
  const measure = async (): Promise<void> => {
    try {
      for (const channel of channels) {
        const { count, dueAtMs } = await store.waiting(channel, owner());
        if (closed) return;
        told = true;
        tell(channel, count, dueAtMs === undefined ? 0 : Math.max(0, clock.now() - dueAtMs));
      }
    } catch (error) {
      logger.debug({ err: error }, 'waiting deliveries could not be counted');
    }
    nextMs = clock.monotonic() + everyMs;
    looking = undefined;
  };

  return {
    look: () => {
      if (telemetry === noTelemetry || closed || clock.monotonic() < nextMs) return;
      looking ??= measure();
    },
    close: async () => {
      closed = true;
      await looking;
      if (told) for (const channel of channels) tell(channel, 0, 0);
    },
  };
}
