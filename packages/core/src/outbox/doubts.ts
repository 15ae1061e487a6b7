import type { Clock, ClockTimer } from '../clock/port.ts';
import { type OutboxRow, rowKey } from './row.ts';

/** Options of {@link createDoubts}. */
export interface DoubtsOptions {
  readonly clock: Clock;
  /** Looks in the table for rows and hands over those that are there. Rejects if it cannot be asked. */
  look(rows: readonly OutboxRow[]): Promise<unknown>;
  /** The table was asked for some, which are in doubt no more. */
  answered(): void;
}

/** Rows of transactions whose commits stayed without an answer, until the table was asked for them. */
export interface Doubts {
  readonly some: boolean;
  get(row: Pick<OutboxRow, 'epoch' | 'seq'>): OutboxRow | undefined;
  add(row: OutboxRow): void;
  stop(): void;
}

/** The commit may still be on its way when its connection is lost. */
const firstWaitMs = 10;
const againMs = 500;

/** Makes the list. Rows that come together cost one query. */
export function createDoubts(options: DoubtsOptions): Doubts {
  const { clock } = options;
  const rows = new Map<string, OutboxRow>();
  let timer: ClockTimer | undefined;
  let stopped = false;

  const look = async (): Promise<void> => {
    const asked = [...rows];
    await options.look(asked.map(([, row]) => row));
    for (const [key] of asked) rows.delete(key);
  };

  const soon = (waitMs: number): void => {
    if (stopped) return;
    timer = clock.setTimer(
      waitMs,
      () =>
        void look().then(
          () => {
            timer = undefined;
            if (rows.size > 0) soon(firstWaitMs);
            if (!stopped) options.answered();
          },
          () => soon(againMs),
        ),
      { unref: true },
    );
  };

  return {
    get some() {
      return rows.size > 0;
    },
    get: (row) => rows.get(rowKey(row)),
    add: (row) => {
      rows.set(rowKey(row), row);
      if (timer === undefined) soon(firstWaitMs);
    },
    stop: () => {
      stopped = true;
      timer?.cancel();
    },
  };
}
