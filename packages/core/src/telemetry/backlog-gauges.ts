import type { Clock, ClockTimer } from '../clock/port.ts';
import type { Logger } from '../logger/port.ts';
import { type Labels, noTelemetry, type Telemetry } from './port.ts';

/** What is in a table and still to be done. */
export interface Backlog {
  /** How many rows; a read that is bounded counts up to its bound. */
  readonly count: number;
  /** Since when the oldest of them waits, in milliseconds since the epoch; `undefined` if none does. One that is to wait until later has no age yet. */
  readonly sinceMs: number | undefined;
  /** What time it was then by the clock that `sinceMs` goes by, in milliseconds since the epoch. Default: the time of this process. */
  readonly nowMs?: number | undefined;
}

/** Options of {@link createBacklogGauges}. */
export interface BacklogGaugesOptions {
  /** The gauge that tells how many: `paystream_notify_waiting`. */
  readonly countGauge: string;
  /** The gauge that tells the age of the oldest, in seconds: `paystream_notify_oldest_seconds`. */
  readonly ageGauge: string;
  /** Of both. */
  readonly labels: Labels;
  /** Reads the table. It should go by an index and up to a bound: the table is the longer the more this is asked for. */
  readonly read: () => Promise<Backlog>;
  readonly clock: Clock;
  /** Told at `debug` of a read that failed; the next look tries again. */
  readonly logger: Logger;
  readonly telemetry: Telemetry;
}

/** Tells telemetry what waits in a table. */
export interface BacklogGauges {
  /** Looks now, or as soon as ten seconds are over since it last did; not at all where telemetry keeps nothing. Never throws. */
  look(): void;
  /** Looks no more, waits for the look under way and leaves both gauges at 0, if they were set. Safe to call again. */
  close(): Promise<void>;
}

const everyMs = 10_000;

/**
 * Makes two gauges of what waits in a table: how many, and for how long the oldest has waited. It looks beside everything else, so
 * that nothing waits for it, at most every ten seconds: when it is asked to and, while something waits, by itself too.
 *
 * @example
 * const gauges = createBacklogGauges({
 *   countGauge: 'reminders_waiting',
 *   ageGauge: 'reminders_oldest_seconds',
 *   labels: { channel: 'email' },
 *   read: async () => {
 *     const [row] = await database.query<{ count: number; since: number | null }>(
 *       'SELECT COUNT(*) AS count, MIN(due_at) AS since FROM (SELECT due_at FROM reminders ORDER BY due_at LIMIT 10000) r',
 *     );
 *     return { count: row?.count ?? 0, sinceMs: row?.since ?? undefined };
 *   },
 *   clock: systemClock,
 *   logger,
 *   telemetry,
 * });
 * gauges.look(); // after each sweep
 * await gauges.close();
 */
export function createBacklogGauges(options: BacklogGaugesOptions): BacklogGauges {
  const { labels, clock, logger, telemetry } = options;
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
  const tell = (count: number, ageMs: number): void => {
    telemetry.gauge(options.countGauge, labels, count);
    telemetry.gauge(options.ageGauge, labels, ageMs / 1_000);
  };
  const measure = async (): Promise<void> => {
    let againMs = everyMs;
    try {
      const { count, sinceMs, nowMs = clock.now() } = await options.read();
      if (closed) return;
      const ageMs = sinceMs === undefined ? 0 : Math.max(0, nowMs - sinceMs);
      told = true;
      tell(count, ageMs);
      // Nothing may happen for days to what waits: its age is right to a hundredth, and what is gone is looked for by nobody.
      againMs = count === 0 ? Number.POSITIVE_INFINITY : Math.max(everyMs, ageMs / 100);
    } catch (error) {
      logger.debug({ ...labels, err: error }, `what waits could not be counted for ${options.countGauge}`);
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
