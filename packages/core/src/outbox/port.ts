import type { SqlTransaction, Transaction } from '../sql/port.ts';
import type { TraceContext } from '../telemetry/port.ts';
import type { Topic } from '../topic/topic.ts';

/** An event on its way to a topic. Made by {@link outboxEvent}, which checks that topic and value fit. */
export interface OutboxEvent extends TraceContext {
  /** Where it is published. */
  readonly topic: Topic<never, never>;
  /** What the topic’s codec encodes. */
  readonly value: unknown;
  /** What consumers dedupe by. Default: a new id. */
  readonly eventId?: string | undefined;
  /** In milliseconds since the epoch, an integer from 0 on. Default: now. */
  readonly occurredAtMs?: number | undefined;
  /** What ties it to others. Default: none. */
  readonly correlationId?: string | undefined;
}

/** What may be said of an event beside its value, the trace that it belongs to among it. Default: the current span's. */
export interface OutboxEventOptions extends TraceContext {
  /** Default: a new id. Give one that is made from the business operation where the same event may be added twice. */
  readonly eventId?: string | undefined;
  /** In milliseconds since the epoch, an integer from 0 on. Default: now. */
  readonly occurredAtMs?: number | undefined;
  /** What ties it to others. Default: none. */
  readonly correlationId?: string | undefined;
}

/** For transactions that the library cannot see end. */
export interface OutboxHandle {
  /**
   * Says that the transaction has committed: publishes at once. Without it the events are looked for in the table, 10 ms after
   * they were added and then ever more seldom; those of a transaction that takes longer than half a lease are found by the
   * sweeps, one each half lease. Never call it before the commit has succeeded.
   */
  committed(): void;
}

/**
 * Events that are published if, and only if, the transaction in which they were added commits: after it, never before,
 * at least once, whatever crashes. Events of one key are published in the order in which their transactions committed.
 */
export interface Outbox {
  /**
   * Adds events to a transaction. Events of one call share a row, so hand over together what belongs together; those that come to
   * more than 3 MiB are in several rows, each as large as a database takes in one statement.
   *
   * A `Transaction` tells of its commit by itself. Of the caller's own (`fromKysely`, `fromMysql2`, `fromDrizzle`, `fromPrisma`)
   * the outbox knows nothing but its rows: call `committed()` of the handle once it has committed, or leave it to be found some
   * milliseconds later. Then the order of a key is that in which its commits were told or found.
   *
   * Rejects with what a topic's codec says of a value that it does not take, such as `INVALID_ARGUMENT` / `INVALID_MESSAGE`, with the
   * transaction's own errors, and with `UNAVAILABLE` / `CLOSED` once the outbox closes. Nothing was added then.
   */
  add(tx: Transaction | SqlTransaction, events: readonly OutboxEvent[]): Promise<OutboxHandle>;
  /**
   * Opens the producers of topics that are known beforehand, so that one that the broker refuses, for its schema or a right that
   * is missing, fails a start and not an event. Rejects with what the broker says, and with `UNAVAILABLE` if it cannot be reached.
   */
  prepare(topics: readonly { readonly name: string }[]): Promise<void>;
  /** How many events are committed and not yet published by this instance, those among them that the broker refuses. */
  readonly pending: number;
  /**
   * Resolves when what is committed so far is published and its rows are gone; it does not wait for what cannot be read or what
   * the broker refuses, of which the log tells, nor, where a database has several nodes, for a row that the one that is asked does
   * not show yet: that is published when it is found, within some seconds. Rejects if the table cannot be asked for what was
   * committed without a word, and with `UNAVAILABLE`, reason `CLOSED`, if the outbox closes first.
   */
  flush(): Promise<void>;
  /** Publishes what it can until `timeoutMs` is over (default: 5,000), gives up its rows to whoever is next, and stops. Safe to call again. */
  close(timeoutMs?: number): Promise<void>;
}
