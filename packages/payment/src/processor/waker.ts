import { type Clock, type ClockTimer, type Logger, PaystreamError, type Telemetry } from '@paystream/core';

/** Calls back when the time of something stored has come. */
export interface Waker {
  /** Something stored wants to be woken at this time, in milliseconds since the epoch. */
  arm(atMs: number): void;
  /** Looks for what is due now. */
  start(): void;
  /** Stops, and waits for the call under way. Safe to call again. */
  close(): Promise<void>;
}

/** Something that cannot be handled now, and when to try again, in milliseconds since the epoch. */
export interface Postponed<T> {
  readonly item: T;
  readonly untilMs: number;
}

export interface WakerOptions<T> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  /** What is woken, for telemetry: `payment`, `refund`. */
  readonly kind: string;
  /** Finds what is due. */
  readonly due: (nowMs: number, limit: number) => Promise<readonly T[]>;
  /** When the next is due. */
  readonly nextMs: () => Promise<number | undefined>;
  /** Handles what is due. Gives those of them that it could not handle now. */
  readonly handle: (due: readonly T[]) => Promise<readonly T[]>;
  /** Has these come due later, unless something has happened to them meanwhile: what waits behind them must have its turn. */
  readonly postpone: (items: readonly Postponed<T>[], nowMs: number) => Promise<void>;
  /** What tells one from another. */
  readonly keyOf: (item: T) => string;
  /** Looks at least so often, in milliseconds, because others may store things too; `undefined` if nobody else can. */
  readonly pollMs: number | undefined;
}

const batchSize = 100;
/** How long it waits after a failure, in milliseconds. */
const afterFailureMs = 1_000;
/** How long something waits at most that fails again and again, in milliseconds; the wait doubles each time. */
const longestWaitMs = 60_000;
const maxRemembered = 10_000;

export function createWaker<T>(options: WakerOptions<T>): Waker {
  const { clock, logger, telemetry } = options;
  const labels = { kind: options.kind };
  let timer: ClockTimer | undefined;
  let timerAtMs = Number.POSITIVE_INFINITY;
  let running: Promise<void> | undefined;
  let wantedMs = Number.POSITIVE_INFINITY;
  let closed = false;
  /** How often in a row something could not be handled here. Whoever is new to it begins with short waits again. */
  const failures = new Map<string, number>();

  const postpone = async (failed: readonly T[]): Promise<void> => {
    const nowMs = clock.now();
    if (failures.size > maxRemembered) failures.clear();
    const waitMs = (item: T): number => Math.min(afterFailureMs * 2 ** (failures.get(options.keyOf(item)) ?? 0), longestWaitMs);
    // While the database is away this fails as well: then nothing is to blame on what was due.
    await options.postpone(
      failed.map((item) => ({ item, untilMs: nowMs + waitMs(item) })),
      nowMs,
    );
    const hopeless = failed.filter((item) => waitMs(item) === longestWaitMs).map(options.keyOf);
    for (const item of failed) failures.set(options.keyOf(item), (failures.get(options.keyOf(item)) ?? 0) + 1);
    telemetry.count('paystream_payment_due_failures_total', labels, failed.length);
    if (hopeless.length === 0) return;
    const some = { kind: options.kind, count: hopeless.length, examples: hopeless.slice(0, 5) };
    logger.error(some, `what is due cannot be handled, again and again: it is tried each ${longestWaitMs / 1_000} s, and needs a person`);
  };

  const set = (atMs: number): void => {
    if (closed || atMs >= timerAtMs) return;
    timer?.cancel();
    timerAtMs = atMs;
    // Holds the process open: what waits here is money whose fate is not known yet.
    timer = clock.setTimer(Math.max(0, atMs - clock.now()), fire);
  };

  const sweep = async (): Promise<number> => {
    for (;;) {
      const due = await options.due(clock.now(), batchSize);
      if (due.length === 0 || closed) break;
      telemetry.count('paystream_payment_due_total', labels, due.length);
      const failed = await options.handle(due);
      if (failures.size > 0) for (const item of due) if (!failed.includes(item)) failures.delete(options.keyOf(item));
      if (failed.length > 0) await postpone(failed);
    }
    const next = (await options.nextMs()) ?? Number.POSITIVE_INFINITY;
    return options.pollMs === undefined ? next : Math.min(next, clock.now() + options.pollMs);
  };

  const fire = (): void => {
    timer = undefined;
    timerAtMs = Number.POSITIVE_INFINITY;
    if (running !== undefined || closed) return;
    running = sweep()
      .catch((error: unknown) => {
        logger.warn({ err: PaystreamError.from(error) }, 'looking for payments whose time has come failed; trying again');
        return clock.now() + afterFailureMs;
      })
      .then((nextMs) => {
        running = undefined;
        const atMs = Math.min(nextMs, wantedMs);
        wantedMs = Number.POSITIVE_INFINITY;
        if (atMs !== Number.POSITIVE_INFINITY) set(atMs);
      });
  };

  return {
    arm: (atMs) => {
      if (running === undefined) set(atMs);
      else wantedMs = Math.min(wantedMs, atMs);
    },
    start: fire,
    close: async () => {
      closed = true;
      timer?.cancel();
      await running;
    },
  };
}
