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
  /** Handles what is due. Gives how many of them it could not handle now. */
  readonly handle: (due: readonly T[]) => Promise<number>;
  /** Looks at least so often, in milliseconds, because others may store things too; `undefined` if nobody else can. */
  readonly pollMs: number | undefined;
}

const batchSize = 100;
/** How long it waits after a failure, in milliseconds. */
const afterFailureMs = 1_000;

export function createWaker<T>(options: WakerOptions<T>): Waker {
  const { clock, logger, telemetry } = options;
  const labels = { kind: options.kind };
  let timer: ClockTimer | undefined;
  let timerAtMs = Number.POSITIVE_INFINITY;
  let running: Promise<void> | undefined;
  let wantedMs = Number.POSITIVE_INFINITY;
  let closed = false;

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
      if ((await options.handle(due)) > 0) return clock.now() + afterFailureMs;
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
