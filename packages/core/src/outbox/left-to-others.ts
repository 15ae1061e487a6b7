import type { Clock, ClockTimer } from '../clock/port.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database } from '../sql/port.ts';
import { type OutboxRow, rowKey } from './row.ts';
import { outboxStatements } from './statements.ts';

/** Options of {@link createLeftToOthers}. */
export interface LeftToOthersOptions {
  readonly database: Database;
  readonly clock: Clock;
  /** After how long a row is waited for no more, in milliseconds: a broker may refuse it for ever. */
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
  const rows = new Map<string, { readonly row: OutboxRow; readonly untilMs: number }>();
  let timer: ClockTimer | undefined;
  let looking = false;
  let stopped = false;

  const look = async (): Promise<void> => {
    const nowMs = clock.monotonic();
    for (const [key, { row, untilMs }] of rows) if (untilMs <= nowMs || options.regained(row)) rows.delete(key);
    for (const epoch of new Set([...rows.values()].map(({ row }) => row.epoch))) {
      const asked = [...rows.values()].filter(({ row }) => row.epoch === epoch).map(({ row }) => row.seq);
      const present = await database.query<{ readonly seq: number }>(sql.present, [epoch, jsonList(asked)]);
      const left = new Set(present.map(({ seq }) => seq));
      for (const seq of asked) if (!left.has(seq)) rows.delete(rowKey({ epoch, seq }));
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
