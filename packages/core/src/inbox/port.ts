import type { SqlTransaction } from '../sql/port.ts';

/** Remembers which events an effect has applied, in the effect's own transaction. */
export interface Inbox {
  /**
   * Returns true the first time for this consumer and event, false ever after. Counts only if the transaction commits.
   * Of two transactions at once, one waits for the other. A consumer's name has at most 128 characters, an event id 255;
   * longer ones reject with `INVALID_ARGUMENT` / `EVENT_ID_TOO_LONG`.
   */
  once(tx: SqlTransaction, consumer: string, eventId: string): Promise<boolean>;
  /** The same for several: returns those that are new. */
  onceEach(tx: SqlTransaction, consumer: string, eventIds: readonly string[]): Promise<ReadonlySet<string>>;
  /** Forgets events older than `beforeMs`, milliseconds since the epoch. Only for effects that may be repeated after so long. Returns how many. */
  forget(consumer: string, beforeMs: number): Promise<number>;
}
