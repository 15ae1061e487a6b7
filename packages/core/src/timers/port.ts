import type { SqlTransaction, Transaction } from '../sql/port.ts';

/** A timer: at its time, or soon after, its kind's handler is called with it. */
export interface TimerEntry {
  /** Unique within its kind; at most 255 characters. Setting a timer that exists moves it. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly dueAtMs: number;
  /** What the handler needs to know; at most 4,096 bytes of UTF-8. Default: empty. */
  readonly payload?: string | undefined;
}

/** Timers that survive the process: set and stopped in the transactions of what they belong to. */
export interface Timers {
  /**
   * Sets timers. Rejects with `INVALID_ARGUMENT` / `TIMER_PAYLOAD_TOO_LARGE` for a payload of more than 4,096 bytes, and with
   * `INVALID_ARGUMENT` / `TIMER_ID_TOO_LONG`; none is set then.
   */
  set(tx: Transaction, entries: readonly TimerEntry[]): Promise<void>;
  /**
   * Stops timers; unknown ones are ignored. By its id a timer is stopped whatever it is by now: for whoever no longer wants it.
   * By the entry with which the handler was called it is stopped only if nobody has set it again since: for the handler.
   */
  cancel(tx: Transaction | SqlTransaction, timers: readonly (string | Required<TimerEntry>)[]): Promise<void>;
  /**
   * Starts calling the handler with timers that are due, at most `batchSize` (default: 100) at once. The handler removes
   * each in its own transaction: by `cancel` with the entry itself, which leaves one that was set again meanwhile, or by `set`
   * to a later time. One that is left is called again after `leaseMs` (default: 30,000). Of several instances one is called.
   * Throws `FAILED_PRECONDITION` / `ALREADY_STARTED`, and `FAILED_PRECONDITION` / `CLOSED` once they are closed.
   */
  start(handler: (due: readonly Required<TimerEntry>[]) => Promise<void>): void;
  /** Stops calling the handler, and waits for the call under way. Safe to call again. */
  close(): Promise<void>;
}
