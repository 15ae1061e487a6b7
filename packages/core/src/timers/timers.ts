import type { Clock, ClockTimer } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { characterCount } from '../contracts/characters.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { type Logger, silentLogger } from '../logger/port.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database, MigrationMode, SqlTransaction, Transaction } from '../sql/port.ts';
import { defineStatements } from '../sql/statements.ts';
import { type Backlog, createBacklogGauges } from '../telemetry/backlog-gauges.ts';
import { noTelemetry, type Telemetry } from '../telemetry/port.ts';
import { timerMigrations } from './migrations.ts';
import type { TimerEntry, Timers } from './port.ts';

/** Options of {@link createTimers}. */
export interface TimersOptions {
  /** Where timers are kept: the one whose transactions they join. */
  readonly database: Database;
  /** What the timers are for: `payment-recovery`; at most 128 characters. Those of one kind share their ids and their handler. */
  readonly kind: string;
  /** Default: the system clock. */
  readonly clock?: Clock;
  /** After how long a timer that the handler left is called again, in milliseconds. Default: 30,000. */
  readonly leaseMs?: number;
  /** At most so many timers in one call of the handler. Default: 100. */
  readonly batchSize?: number;
  /** How often to look for timers that other processes set, in milliseconds. Default: 1,000. */
  readonly sweepMs?: number;
  /** Told of handlers that throw. Default: writes nothing. */
  readonly logger?: Logger;
  /**
   * Gets how many timers were due, how late they were called and how often that failed, by kind; once they are started, also how
   * many wait and how late the one is that is due longest. Default: keeps nothing.
   */
  readonly telemetry?: Telemetry;
  /** What to do about the schema. Default: `apply`. */
  readonly migrations?: MigrationMode;
}

interface TimerRow {
  readonly id: string;
  readonly due_at: number;
  readonly payload: string;
}

interface WaitingRow {
  readonly waiting: number;
  readonly due_at: number | null;
}

const maxPayload = 4_096;
/** More take too long to count. */
const mostCounted = 100_000;
/** Of more that are late, those are looked at whose call comes first: each is a row to be read, wherever it lies. */
const mostLate = 1_000;

/** What were cut off to fit its column would be another's. */
function refuseTooLong(what: 'id' | 'kind', text: string, most: number): void {
  const length = text.length > most ? characterCount(text) : 0;
  if (length <= most) return;
  throw new PaystreamError(
    'INVALID_ARGUMENT',
    `the ${what} of a timer, ${text.slice(0, 40)}…, has ${length} characters; it may have ${most}`,
    {
      reason: what === 'id' ? 'TIMER_ID_TOO_LONG' : 'TIMER_KIND_TOO_LONG',
    },
  );
}

const columns = ['kind', 'id', 'due_at', 'next_call_at', 'payload'];

const timerStatements = defineStatements(({ tables, dialect }) => ({
  set: dialect.upsert(tables('timers'), columns, ['kind', 'id'], (excluded) =>
    ['due_at', 'next_call_at', 'payload'].map((column) => `${column} = ${excluded(column)}`).join(', '),
  ),
  cancel: `DELETE FROM ${tables('timers')} WHERE kind = ? AND id = ?`,
  cancelMany: `DELETE FROM ${tables('timers')} WHERE kind = ? AND id IN ${dialect.inJson}`,
  // Whoever sets a timer sets both times to the same one, and a claim moves the second on.
  cancelCalled: `DELETE FROM ${tables('timers')} WHERE kind = ? AND id = ? AND due_at = ? AND next_call_at <> due_at`,
  next: `SELECT next_call_at FROM ${tables('timers')} WHERE kind = ? ORDER BY next_call_at LIMIT 1`,
  due: `SELECT id, due_at, payload FROM ${tables('timers')}
    WHERE kind = ? AND next_call_at <= ? ORDER BY next_call_at LIMIT ? ${dialect.forUpdateSkipLocked}`,
  unclaim: `UPDATE ${tables('timers')} SET next_call_at = due_at WHERE kind = ? AND next_call_at <= ? AND next_call_at <> due_at`,
  // In the order of the index, so that it is counted from that alone; payloads may be large.
  waiting: `SELECT (SELECT COUNT(*) FROM (
      SELECT next_call_at FROM ${tables('timers')} WHERE kind = ? ORDER BY next_call_at LIMIT ${mostCounted}) w) AS waiting,
    (SELECT MIN(due_at) FROM (
      SELECT due_at FROM ${tables('timers')} WHERE kind = ? AND next_call_at <= ? ORDER BY next_call_at LIMIT ${mostLate}) d) AS due_at`,
  claim: `UPDATE ${tables('timers')} SET next_call_at = ? WHERE kind = ? AND id IN ${dialect.inJson}`,
}));

/** Which kinds have timers in this process: their claims are alive. */
const kindsInUse = new WeakMap<Database, Map<string, number>>();

/** Counts one more user of a kind, or one less; gives how many there are then. */
function countUsers(database: Database, kind: string, by: 1 | -1): number {
  const kinds = kindsInUse.get(database) ?? new Map<string, number>();
  kindsInUse.set(database, kinds);
  const users = (kinds.get(kind) ?? 0) + by;
  kinds.set(kind, users);
  return users;
}

/**
 * Makes timers of one kind in a database. Nothing is called before `start`.
 *
 * Errors: those of the database, such as `UNAVAILABLE`; `FAILED_PRECONDITION` / `SCHEMA_INCOMPLETE` where a table or column was
 * dropped, `SCHEMA_OUT_OF_DATE` where migrations are only checked; `INVALID_ARGUMENT` / `TIMER_KIND_TOO_LONG`.
 *
 * @example
 * const timers = await createTimers({ database, kind: 'reminder' });
 * timers.start(async (due) => {
 *   await remind(due);
 *   await database.transaction((tx) => timers.cancel(tx, due));
 * });
 * await database.transaction((tx) => timers.set(tx, [{ id: 'order-1', dueAtMs: Date.now() + 60_000 }]));
 */
export async function createTimers(options: TimersOptions): Promise<Timers> {
  const { database, kind } = options;
  refuseTooLong('kind', kind, 128);
  const clock = options.clock ?? systemClock;
  const leaseMs = options.leaseMs ?? 30_000;
  const batchSize = options.batchSize ?? 100;
  const sweepMs = options.sweepMs ?? 1_000;
  const logger = options.logger ?? silentLogger;
  const telemetry = options.telemetry ?? noTelemetry;
  const labels = { kind };
  const sql = timerStatements(database);
  let handler: ((due: readonly Required<TimerEntry>[]) => Promise<void>) | undefined;
  let closed = false;
  let wake: ClockTimer | undefined;
  let wakeAtMs = Number.POSITIVE_INFINITY;
  let running: Promise<void> | undefined;
  /** The earliest timer that was set while a look was under way, which may have missed it. */
  let missedMs = Number.POSITIVE_INFINITY;
  await database.migrate(timerMigrations, options.migrations);
  // Nobody else can have this database: what a process claimed that is gone now need not wait for its lease.
  if (countUsers(database, kind, 1) === 1 && database.exclusive) {
    const untilMs = (await database.now()) + leaseMs;
    await database.transaction((tx) => tx.execute(sql.unclaim, [kind, untilMs]));
  }

  const waiting = async (): Promise<Backlog> => {
    const nowMs = await database.now();
    // One that its handler left is called a lease later, and is late all the same.
    const [row] = await database.query<WaitingRow>(sql.waiting, [kind, kind, nowMs + leaseMs]);
    return { count: row?.waiting ?? 0, sinceMs: row?.due_at ?? undefined, nowMs };
  };
  const backlog = createBacklogGauges({
    countGauge: 'paystream_timers_waiting',
    ageGauge: 'paystream_timers_oldest_seconds',
    labels,
    read: waiting,
    clock,
    logger,
    telemetry,
  });

  const claim = (nowMs: number): Promise<readonly Required<TimerEntry>[]> =>
    database.transaction(async (tx) => {
      const { rows } = await tx.execute<TimerRow>(sql.due, [kind, nowMs, batchSize]);
      if (rows.length > 0) await tx.execute(sql.claim, [nowMs + leaseMs, kind, jsonList(rows.map((row) => row.id))]);
      return rows.map((row) => ({ id: row.id, dueAtMs: row.due_at, payload: row.payload }));
    });

  /** Calls the handler until nothing is due; gives when to look again, by this process's clock. */
  const callDue = async (call: (due: readonly Required<TimerEntry>[]) => Promise<void>): Promise<number> => {
    while (!closed) {
      backlog.look();
      const [next] = await database.query<{ readonly next_call_at: number }>(sql.next, [kind]);
      const nowMs = await database.now();
      if (next === undefined) break;
      if (next.next_call_at > nowMs) return clock.now() + Math.min(next.next_call_at - nowMs, sweepMs);
      const due = await claim(nowMs);
      if (due.length === 0) break;
      telemetry.count('paystream_timers_due_total', labels, due.length);
      for (const { dueAtMs } of due) telemetry.observe('paystream_timers_lateness_seconds', labels, Math.max(0, nowMs - dueAtMs) / 1_000);
      try {
        await call(due);
      } catch (error) {
        telemetry.count('paystream_timers_failures_total', labels);
        logger.error({ kind, count: due.length, err: error }, `the handler of timers failed; they are called again in ${leaseMs} ms`);
      }
    }
    return clock.now() + sweepMs;
  };

  const look = async (): Promise<void> => {
    if (handler === undefined) return;
    let nextMs: number;
    try {
      nextMs = await callDue(handler);
    } catch (error) {
      nextMs = clock.now() + sweepMs;
      logger.warn({ kind, err: error }, `timers cannot be read; trying again in ${sweepMs} ms`);
    }
    running = undefined;
    const missed = missedMs;
    missedMs = Number.POSITIVE_INFINITY;
    wakeAt(Math.min(nextMs, missed));
  };

  const wakeAt = (timeMs: number): void => {
    if (closed || handler === undefined) return;
    if (running !== undefined) {
      missedMs = Math.min(missedMs, timeMs);
      return;
    }
    if (wake !== undefined && wakeAtMs <= timeMs) return;
    wake?.cancel();
    wakeAtMs = timeMs;
    wake = clock.setTimer(
      Math.max(0, timeMs - clock.now()),
      () => {
        wake = undefined;
        running = look();
      },
      { unref: true },
    );
  };

  const rowOf = (entry: TimerEntry): (string | number)[] => {
    refuseTooLong('id', entry.id, 255);
    const payload = entry.payload ?? '';
    if (payload.length * 3 > maxPayload && Buffer.byteLength(payload) > maxPayload) {
      throw new PaystreamError(
        'INVALID_ARGUMENT',
        `the payload of timer ${entry.id} has more than the ${maxPayload} bytes that are allowed`,
        {
          reason: 'TIMER_PAYLOAD_TOO_LARGE',
        },
      );
    }
    return [kind, entry.id, entry.dueAtMs, entry.dueAtMs, payload];
  };

  return {
    set: async (tx: Transaction, entries) => {
      if (entries.length === 0) return;
      await tx.executeMany(sql.set, entries.map(rowOf));
      const earliestMs = entries.reduce((earliest, entry) => Math.min(earliest, entry.dueAtMs), Number.POSITIVE_INFINITY);
      tx.onCommit(() => wakeAt(earliestMs));
    },
    cancel: async (tx: Transaction | SqlTransaction, stopped) => {
      const ids = stopped.filter((one) => typeof one === 'string');
      const [only] = ids;
      if (ids.length > 1) await tx.execute(sql.cancelMany, [kind, jsonList(ids)]);
      else if (only !== undefined) await tx.execute(sql.cancel, [kind, only]);
      const called = stopped.filter((one) => typeof one !== 'string').map(({ id, dueAtMs }) => [kind, id, dueAtMs]);
      if (called.length === 0) return;
      if ('executeMany' in tx) await tx.executeMany(sql.cancelCalled, called);
      else for (const parameters of called) await tx.execute(sql.cancelCalled, parameters);
    },
    start: (call) => {
      if (handler !== undefined || closed) {
        throw new PaystreamError('FAILED_PRECONDITION', `timers of kind ${kind} ${closed ? 'are closed' : 'were started already'}`, {
          reason: closed ? 'CLOSED' : 'ALREADY_STARTED',
        });
      }
      handler = call;
      wakeAt(clock.now());
    },
    close: async () => {
      if (!closed) countUsers(database, kind, -1);
      closed = true;
      wake?.cancel();
      await running;
      await backlog.close();
    },
  };
}
