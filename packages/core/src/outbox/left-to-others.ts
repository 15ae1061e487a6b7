import type { Clock, ClockTimer } from '../clock/port.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database } from '../sql/port.ts';
import { type OutboxRow, rowKey } from './row.ts';
import { outboxStatements } from './statements.ts';

/** Options of {@link createLeftToOthers}. */
export interface LeftToOthersOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** After how long in which none of an epoch goes they are waited for no more, in milliseconds: a broker may refuse them for ever. */
  readonly giveUpMs: number;
  /** Whether a row is this instance's again, which publishes it before what waits. */
  regained(row: OutboxRow): boolean;
  /** Nothing is waited for any more. */
  over(): void;
}

/** Rows that this instance committed and others publish, since it stood still for longer than its lease. */
export interface LeftToOthers {
  /** Whether some are still to be published: what this instance commits meanwhile must not overtake them. */
  readonly some: boolean;
  add(rows: Iterable<OutboxRow>): void;
  stop(): void;
}

const firstWaitMs = 20;
const maxWaitMs = 500;

/** Makes the list; it looks in the table for what became of them. */
export function createLeftToOthers(options: LeftToOthersOptions): LeftToOthers {
  const { database, clock } = options;
  const sql = outboxStatements(database);
  const rows = new Map<string, { readonly row: OutboxRow; untilMs: number }>();
  let timer: ClockTimer | undefined;
  let looking = false;
  let stopped = false;

  const look = async (): Promise<void> => {
    for (const [key, { row }] of rows) if (options.regained(row)) rows.delete(key);
    for (const [epoch, asked] of Map.groupBy(rows.values(), ({ row }) => row.epoch)) {
      const seqs = asked.map(({ row }) => row.seq);
      const present = await database.query<{ readonly seq: number }>(sql.present, [epoch, jsonList(seqs)]);
      const left = new Set(present.map(({ seq }) => seq));
      const nowMs = clock.monotonic();
      for (const one of asked) {
        // Whoever has taken them publishes them, however long that takes.
        if (left.size < asked.length) one.untilMs = nowMs + options.giveUpMs;
        if (!left.has(one.row.seq) || one.untilMs <= nowMs) rows.delete(rowKey(one.row));
      }
    }
  };

  const soon = (waitMs: number): void => {
    if (stopped) return;
    timer = clock.setTimer(
      waitMs,
      () => {
        timer = undefined;
        looking = true;
        // Failing to look is a look in vain; the sweeps tell of a database that is away.
        void look()
          .catch(() => undefined)
          .then(() => {
            looking = false;
            if (stopped) return;
            if (rows.size > 0) soon(Math.min(2 * waitMs, maxWaitMs));
            else options.over();
          });
      },
      { unref: true },
    );
  };

  return {
    get some() {
      return rows.size > 0 || looking;
    },
    add: (more) => {
      for (const row of more) rows.set(rowKey(row), { row, untilMs: clock.monotonic() + options.giveUpMs });
      if (rows.size > 0 && timer === undefined && !looking) soon(firstWaitMs);
    },
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}
