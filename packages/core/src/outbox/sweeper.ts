import type { Clock, ClockTimer } from '../clock/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database } from '../sql/port.ts';
import { type Epochs, urgent } from './epochs.ts';
import type { Publisher } from './publisher.ts';
import { type OutboxRow, rowKey } from './row.ts';
import { outboxStatements } from './statements.ts';
import { createWatcher } from './watcher.ts';

/** Options of {@link createSweeper}. */
export interface SweeperOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly epochs: Epochs;
  readonly publisher: Publisher;
  readonly leaseMs: number;
}

/** Why nobody can say whether the leases still hold. */
export interface Lapse {
  /** How long ago they were last renewed, in milliseconds. */
  readonly forMs: number;
  /** What the last renewal failed with; `undefined` where it has no answer yet. */
  readonly error: PaystreamError | undefined;
}

/** Keeps an instance's leases, and finds rows that nobody publishes. */
export interface Sweeper {
  /** Takes over what is left behind, then goes on with that. */
  start(): Promise<void>;
  /** Renews the leases until it is sure of them; rows of those that are lost are forgotten then. Rejects if it cannot be any more, since it stops. */
  ascertain(): Promise<void>;
  /** Set while the leases are over and renewals fail, or one has been under way for as long as a lease. */
  readonly lapse: Lapse | undefined;
  /** Looks for a row of this instance's own, whose transaction may not tell of its end: often at first, then with the sweeps. */
  watch(row: OutboxRow): void;
  /** Its transaction told of its end. */
  unwatch(row: OutboxRow): void;
  /** Hands over which of some rows are committed. Gives those that need no more looking for. */
  lookFor(rows: readonly OutboxRow[]): Promise<readonly OutboxRow[]>;
  /** Looks now for the rows that are watched. */
  lookForWatched(): Promise<void>;
  /** Has the next sweeps look for rows of this instance's own too, for as long as a node of the database may be behind. */
  lookForOwn(): void;
  /** Whether a sweep came upon this row of the instance's own; asked once for each. */
  wasFound(row: OutboxRow): boolean;
  stop(): Promise<void>;
}

const pageSize = 1_000;
const maxRemembered = 10_000;
/** For so many sweeps a row is looked for that the table did not show: a minute, by the default lease. */
const looksForUnseen = 12;

function closing(): PaystreamError {
  return new PaystreamError('UNAVAILABLE', 'the outbox closes, and its lease is over', { reason: 'CLOSED' });
}

/** Makes the sweeper of an outbox. */
export function createSweeper(options: SweeperOptions): Sweeper {
  const { database, clock, logger, epochs, publisher, leaseMs } = options;
  const sql = outboxStatements(database);
  const renewMs = Math.ceil(leaseMs / 3);
  const foundOwn = new Set<string>();
  const timers = new Set<ClockTimer>();
  /** A transaction that does not tell of its end may take any time. */
  let watchesOwn = false;
  let looksForOwn = 0;
  let stopped = false;
  let renewedAtMs = clock.monotonic();
  let last: Promise<unknown> = Promise.resolve();
  let renewal: Promise<void> | undefined;
  let renewalAtMs = renewedAtMs;
  /** Of the last renewal, if it failed. */
  let failure: PaystreamError | undefined;

  /** Renewals and sweeps never run beside one another: both change what is owned. */
  const serially = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };

  const renewNow = async (): Promise<void> => {
    const atMs = clock.monotonic();
    const lost = await epochs.renew().catch((error: unknown) => {
      failure = PaystreamError.from(error);
      throw error;
    });
    failure = undefined;
    renewedAtMs = atMs;
    if (lost.length === 0) return;
    logger.warn({ epochs: lost }, 'the outbox stood still for longer than its lease: others publish its rows now');
    publisher.restart(epochs.owned);
  };

  const renew = (): Promise<void> => {
    if (renewal !== undefined) return renewal;
    renewalAtMs = clock.monotonic();
    renewal = serially(renewNow).finally(() => {
      renewal = undefined;
    });
    return renewal;
  };

  /** What takes its time in turn with the renewals must not let a lease run out. */
  const renewIfDue = async (): Promise<void> => {
    if (!database.exclusive && clock.monotonic() - renewedAtMs >= renewMs) await renewNow();
  };

  /** Hands every row of an epoch to the publisher that it does not know; gives how many the table has. */
  const scan = async (epoch: number): Promise<number> => {
    let after = -1;
    let count = 0;
    for (;;) {
      await renewIfDue();
      if (stopped || !epochs.owned.has(epoch)) return count;
      const rows = await database.query<{ readonly seq: number; readonly added_at: number; readonly events: number }>(
        sql.scan,
        [epoch, after, pageSize],
        urgent,
      );
      for (const { seq, added_at, events } of rows) {
        after = seq;
        count += 1;
        const row = { epoch, seq, events, addedAtMs: added_at, knownAtMs: 0, bytes: 0, left: events, refused: 0, aside: 0 };
        if (publisher.knows(row)) continue;
        const own = epoch === epochs.current;
        if (own) {
          remember(rowKey(row));
          watcher.forget(row);
        }
        publisher.found(row, own);
      }
      if (rows.length < pageSize) return count;
    }
  };

  const remember = (key: string): void => {
    foundOwn.add(key);
    if (foundOwn.size <= maxRemembered) return;
    const oldest = foundOwn.values().next();
    if (!oldest.done) foundOwn.delete(oldest.value);
  };

  /** Hands over which of the watched rows are committed. Those of an epoch that was lost are found by whoever has it. */
  const lookFor = (rows: readonly OutboxRow[]): Promise<readonly OutboxRow[]> =>
    serially(async () => {
      const over = new Set(rows.filter((row) => !epochs.owned.has(row.epoch) || publisher.knows(row)));
      const left = rows.filter((row) => !over.has(row));
      for (const epoch of new Set(left.map((row) => row.epoch))) {
        const bySeq = new Map(left.filter((row) => row.epoch === epoch).map((row) => [row.seq, row]));
        const present = await database.query<{ readonly seq: number }>(sql.present, [epoch, jsonList(bySeq.keys())], urgent);
        for (const { seq } of present) {
          const row = bySeq.get(seq);
          if (row === undefined) continue;
          over.add(row);
          if (publisher.knows(row)) continue;
          remember(rowKey(row));
          publisher.found(row, epoch === epochs.current);
        }
      }
      return [...over];
    });
  const watcher = createWatcher({ clock, giveUpMs: leaseMs / 2, look: lookFor });

  const sweep = (): Promise<void> =>
    serially(async () => {
      const won = await epochs.takeOver();
      if (won.length > 0) logger.info({ epochs: won }, 'took over the outbox rows of instances that are gone');
      const empty: number[] = [];
      for (const epoch of [...epochs.owned].sort((a, b) => a - b)) {
        if (epoch === epochs.current) continue;
        // One that was not looked at, since it is to stop, may have events that are still on their way.
        if ((await scan(epoch)) === 0 && !stopped) empty.push(epoch);
      }
      if (watchesOwn || looksForOwn > 0) {
        await scan(epochs.current);
        looksForOwn = Math.max(0, looksForOwn - 1);
      }
      // A row that becomes visible later is found again, and its epoch with it.
      if (empty.length > 0) await epochs.release(empty);
    });

  const every = (intervalMs: number, what: string, work: () => Promise<void>): void => {
    if (stopped) return;
    const timer = clock.setTimer(
      intervalMs,
      () => {
        timers.delete(timer);
        void work()
          .catch((error: unknown) => logger.warn({ err: error }, `the outbox could not ${what}; trying again in ${intervalMs} ms`))
          .then(() => every(intervalMs, what, work));
      },
      { unref: true },
    );
    timers.add(timer);
  };

  return {
    start: async () => {
      await sweep();
      publisher.report();
      if (!database.exclusive) every(renewMs, 'renew its lease', renew);
      // Not with the sweeps: what waits grows older while the database is away, too.
      every(Math.ceil(leaseMs / 2), 'tell how much waits', async () => publisher.report());
      every(Math.ceil(leaseMs / 2), 'look for rows that were left behind', sweep);
    },
    ascertain: async () => {
      while (!epochs.fresh()) {
        if (stopped) throw closing();
        await renew();
      }
    },
    get lapse() {
      if (epochs.fresh()) return undefined;
      const nowMs = clock.monotonic();
      // A process that stood still, or a renewal that is only slow, leaves a lease over for a moment.
      const unanswered = renewal !== undefined && nowMs - renewalAtMs >= leaseMs;
      return failure === undefined && !unanswered ? undefined : { forMs: nowMs - renewedAtMs, error: failure };
    },
    watch: (row) => {
      watchesOwn = true;
      watcher.watch(row);
    },
    unwatch: watcher.forget,
    lookForOwn: () => {
      looksForOwn = looksForUnseen;
    },
    lookFor,
    lookForWatched: watcher.lookNow,
    wasFound: (row) => foundOwn.delete(rowKey(row)),
    stop: async () => {
      stopped = true;
      watcher.stop();
      for (const timer of timers) timer.cancel();
      await last;
    },
  };
}
