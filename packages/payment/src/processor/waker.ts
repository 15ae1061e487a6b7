import { type Clock, type ClockTimer, createBatcher, type Logger, PaystreamError, type Telemetry } from '@paystream/core';
import { type Backlog, createBacklogGauges } from '@paystream/core/sql';

/** Calls back when the time of something stored has come. */
export interface Waker {
  /** Something stored wants to be woken at this time, in milliseconds since the epoch. */
  arm(atMs: number): void;
  /** Looks for what is due now. */
  start(): void;
  /** Stops, and waits for the calls under way. Safe to call again. */
  close(): Promise<void>;
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
  /** What is not over yet, for telemetry. */
  readonly waiting: () => Promise<Backlog>;
  /** Handles what is due. Gives those of them that it could not handle now. */
  readonly handle: (due: readonly T[]) => Promise<readonly T[]>;
  /** Handles by itself what failed before: somebody may hold it locked, and nothing else is to wait for that. Gives whether it could. */
  readonly handleAlone: (item: T) => Promise<boolean>;
  /** Has one come due later, unless something has happened to it meanwhile: what waits behind it must have its turn. */
  readonly postpone: (item: T, untilMs: number, nowMs: number) => Promise<void>;
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
/** How many of those that failed are under way at once: each may take a connection that waits for a lock. */
const maxAlone = 4;

/** One that failed before, or just now. */
interface Troubled<T> {
  readonly item: T;
  readonly failed: boolean;
}

export function createWaker<T>(options: WakerOptions<T>): Waker {
  const { clock, logger, telemetry } = options;
  const labels = { kind: options.kind };
  const backlog = createBacklogGauges({
    countGauge: 'paystream_payment_waiting',
    ageGauge: 'paystream_payment_oldest_seconds',
    labels,
    read: options.waiting,
    clock,
    logger,
    telemetry,
  });
  telemetry.count('paystream_payment_due_failures_total', labels, 0);
  let timer: ClockTimer | undefined;
  let timerAtMs = Number.POSITIVE_INFINITY;
  let running: Promise<void> | undefined;
  let wantedMs = Number.POSITIVE_INFINITY;
  let closed = false;
  /** How often in a row something could not be handled here. Whoever is new to it begins with short waits again. */
  const failures = new Map<string, number>();

  /** Until when something is left out here: for ever while it is under way. What is locked cannot be put off where it is stored. */
  const held = new Map<string, number>();
  let hopeless: string[] = [];

  const complain = (): void => {
    const some = { kind: options.kind, count: hopeless.length, examples: hopeless.slice(0, 5) };
    hopeless = [];
    logger.error(some, `what is due cannot be handled, again and again: it is tried each ${longestWaitMs / 1_000} s, and needs a person`);
  };

  const set = (atMs: number): void => {
    if (closed || atMs >= timerAtMs) return;
    timer?.cancel();
    timerAtMs = atMs;
    // Holds the process open: what waits here is money whose fate is not known yet.
    timer = clock.setTimer(Math.max(0, atMs - clock.now()), fire);
  };

  const arm = (atMs: number): void => {
    if (running === undefined) set(atMs);
    else wantedMs = Math.min(wantedMs, atMs);
  };

  const hold = (key: string, untilMs: number): void => {
    held.set(key, untilMs);
    arm(untilMs);
  };

  /** Has what failed come due later. */
  const putOff = async (item: T): Promise<void> => {
    const key = options.keyOf(item);
    const nowMs = clock.now();
    const waitMs = Math.min(afterFailureMs * 2 ** (failures.get(key) ?? 0), longestWaitMs);
    try {
      await options.postpone(item, nowMs + waitMs, nowMs);
      held.delete(key);
      arm(nowMs + waitMs);
    } catch (error) {
      // While the database is away nothing is to blame on what was due.
      const isAway = PaystreamError.from(error).code === 'UNAVAILABLE';
      hold(key, clock.now() + (isAway ? afterFailureMs : waitMs));
      if (isAway) return;
    }
    if (failures.size > maxRemembered) failures.clear();
    failures.set(key, (failures.get(key) ?? 0) + 1);
    telemetry.count('paystream_payment_due_failures_total', labels, 1);
    if (waitMs === longestWaitMs) hopeless.push(key);
  };

  const handleAlone = async ({ item, failed }: Troubled<T>): Promise<void> => {
    if (closed) return;
    const key = options.keyOf(item);
    try {
      if (failed || !(await options.handleAlone(item))) await putOff(item);
      else {
        failures.delete(key);
        hold(key, clock.now());
      }
    } catch (error) {
      logger.warn({ err: PaystreamError.from(error) }, 'handling what is due failed; trying again');
      hold(key, clock.now() + afterFailureMs);
    }
    // Once nothing waits for its turn any more: of many in one line.
    if (hopeless.length > 0 && alone.pending <= maxAlone) complain();
  };
  const alone = createBatcher<Troubled<T>, void>({
    run: (troubled) => Promise.all(troubled.map(handleAlone)),
    maxSize: 1,
    concurrency: maxAlone,
    maxWaiting: Number.POSITIVE_INFINITY,
  });

  /** Nobody waits for it, and until it has ended it is left out. */
  const setAside = (item: T, failed: boolean): void => {
    held.set(options.keyOf(item), Number.POSITIVE_INFINITY);
    void alone.submit({ item, failed });
  };

  const forgetHeld = (nowMs: number): void => {
    for (const [key, untilMs] of held) if (untilMs <= nowMs) held.delete(key);
  };

  const sweep = async (): Promise<number> => {
    for (;;) {
      const nowMs = clock.now();
      forgetHeld(nowMs);
      if (closed || held.size > maxRemembered) break;
      const leftOut = new Set(held.keys());
      // Those that are left out may be the first to come.
      const found = await options.due(nowMs, batchSize + leftOut.size);
      const due = found.filter((item) => !leftOut.has(options.keyOf(item)));
      if (due.length === 0 || closed) break;
      telemetry.count('paystream_payment_due_total', labels, due.length);
      const fresh = due.filter((item) => !failures.has(options.keyOf(item)));
      for (const item of due) if (failures.has(options.keyOf(item))) setAside(item, false);
      if (fresh.length === 0) continue;
      for (const item of await options.handle(fresh)) setAside(item, true);
    }
    const storedMs = (await options.nextMs()) ?? Number.POSITIVE_INFINITY;
    const nowMs = clock.now();
    // What is left out here hides when the next one comes.
    const next = held.size > 0 && storedMs <= nowMs ? nowMs + afterFailureMs : storedMs;
    return options.pollMs === undefined ? next : Math.min(next, nowMs + options.pollMs);
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
        backlog.look();
        const atMs = Math.min(nextMs, wantedMs);
        wantedMs = Number.POSITIVE_INFINITY;
        if (atMs !== Number.POSITIVE_INFINITY) set(atMs);
      });
  };

  return {
    arm,
    start: fire,
    close: async () => {
      closed = true;
      timer?.cancel();
      await running;
      await alone.close();
      await backlog.close();
    },
  };
}
