import { type Clock, type ClockTimer, type Logger, noTelemetry, type Telemetry } from '@paystream/core';

/** What is in a table and not over yet. */
export interface Waiting {
  /** How many, up to {@link mostCounted}. */
  readonly count: number;
  /** When the oldest of them was made, in milliseconds since the epoch. */
  readonly sinceMs: number | undefined;
}

/** Of more, those are counted whose time comes first. */
export const mostCounted = 10_000;

/** Options of {@link createBacklog}. */
export interface BacklogOptions {
  /** `payment`, `refund`. */
  readonly kind: string;
  readonly waiting: () => Promise<Waiting>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** Tells telemetry what waits in a table. */
export interface Backlog {
  /** Looks now, or as soon as ten seconds are over since it last did; not at all where nobody is told. */
  look(): void;
  /** Leaves nothing to be seen. */
  close(): Promise<void>;
}

const everyMs = 10_000;

/** Makes what looks into a table, beside everything else: whatever it costs, no payment waits for it. */
export function createBacklog({ kind, waiting, clock, logger, telemetry }: BacklogOptions): Backlog {
  const labels = { kind };
  let nextMs = Number.NEGATIVE_INFINITY;
  let timer: ClockTimer | undefined;
  let timerAtMs = Number.POSITIVE_INFINITY;
  let looking: Promise<void> | undefined;
  let told = false;
  let closed = false;

  const arm = (atMs: number): void => {
    if (closed || atMs >= timerAtMs) return;
    timer?.cancel();
    timerAtMs = atMs;
    timer = clock.setTimer(
      atMs - clock.monotonic(),
      () => {
        timerAtMs = Number.POSITIVE_INFINITY;
        look();
      },
      { unref: true },
    );
  };
  const tell = (count: number, oldestMs: number): void => {
    telemetry.gauge('paystream_payment_waiting', labels, count);
    telemetry.gauge('paystream_payment_oldest_seconds', labels, oldestMs / 1_000);
  };
  const measure = async (): Promise<void> => {
    let againMs = everyMs;
    try {
      const { count, sinceMs } = await waiting();
      if (closed) return;
      const oldestMs = sinceMs === undefined ? 0 : Math.max(0, clock.now() - sinceMs);
      told = true;
      tell(count, oldestMs);
      // Nothing may happen for days to what waits: its age is right to a hundredth, and what is gone is looked for by nobody.
      againMs = count === 0 ? Number.POSITIVE_INFINITY : Math.max(everyMs, oldestMs / 100);
    } catch (error) {
      logger.debug({ kind, err: error }, 'what waits could not be counted');
    }
    looking = undefined;
    nextMs = clock.monotonic() + everyMs;
    if (againMs !== Number.POSITIVE_INFINITY) arm(clock.monotonic() + againMs);
  };
  const look = (): void => {
    if (telemetry === noTelemetry || closed || looking !== undefined) return;
    if (clock.monotonic() < nextMs) arm(nextMs);
    else looking = measure();
  };

  return {
    look,
    close: async () => {
      closed = true;
      timer?.cancel();
      await looking;
      if (told) tell(0, 0);
    },
  };
}
