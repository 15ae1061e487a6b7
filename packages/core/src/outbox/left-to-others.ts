import type { Clock, ClockTimer } from '../clock/port.ts';
import { jsonList } from '../sql/json-list.ts';
import type { Database } from '../sql/port.ts';
import type { OutboxRow } from './row.ts';
import { outboxStatements } from './statements.ts';

/** Options of {@link createLeftToOthers}. */
export interface LeftToOthersOptions {
  readonly database: Database;
  readonly clock: Clock;
  /**
   * After how long in which none of an epoch goes they are waited for no more, in milliseconds: a broker may refuse them for ever.
   * Time in which the table does not answer does not count, for the others may not have been able to go on either.
   */
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

/** The rows of one epoch, by their place there. */
interface Left {
  readonly rows: Map<number, OutboxRow>;
  leftMs: number;
  answeredAtMs: number;
}

const firstWaitMs = 20;
const maxWaitMs = 500;
/** Others publish the first ones first, so these tell whether they go on. */
const pageSize = 1_000;

/** Makes the list; it looks in the table for what became of them. */
export function createLeftToOthers(options: LeftToOthersOptions): LeftToOthers {
  const { database, clock } = options;
  const sql = outboxStatements(database);
  const epochs = new Map<number, Left>();
  let timer: ClockTimer | undefined;
  let looking = false;
  let stopped = false;

  const lookInto = async (epoch: number, left: Left): Promise<void> => {
    while (left.leftMs > 0) {
      for (const [seq, row] of left.rows) if (options.regained(row)) left.rows.delete(seq);
      const asked = [...left.rows.keys()].sort((a, b) => a - b).slice(0, pageSize);
      if (asked.length === 0) break;
      const rows = await database.query<{ readonly seq: number }>(sql.present, [epoch, jsonList(asked)]);
      const present = new Set(rows.map(({ seq }) => seq));
      for (const seq of asked) if (!present.has(seq)) left.rows.delete(seq);
      const nowMs = clock.monotonic();
      // Whoever has taken them publishes them, however long that takes.
      if (present.size < asked.length) left.leftMs = options.giveUpMs;
      else left.leftMs -= Math.min(nowMs - left.answeredAtMs, 2 * maxWaitMs);
      left.answeredAtMs = nowMs;
      if (present.size > 0 && left.leftMs > 0) return;
    }
    epochs.delete(epoch);
  };

  const look = async (): Promise<void> => {
    for (const [epoch, left] of epochs) await lookInto(epoch, left);
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
            if (epochs.size > 0) soon(Math.min(2 * waitMs, maxWaitMs));
            else options.over();
          });
      },
      { unref: true },
    );
  };

  return {
    get some() {
      return epochs.size > 0 || looking;
    },
    add: (more) => {
      const nowMs = clock.monotonic();
      for (const row of more) {
        const left = epochs.get(row.epoch) ?? { rows: new Map(), leftMs: 0, answeredAtMs: nowMs };
        left.rows.set(row.seq, row);
        left.leftMs = options.giveUpMs;
        epochs.set(row.epoch, left);
      }
      if (epochs.size > 0 && timer === undefined && !looking) soon(firstWaitMs);
    },
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}
