import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Transaction } from '../../sql/port.ts';
import type { SqliteConnection } from '../sqlite/open.ts';
import { type GroupMember, runGroup } from './group.ts';

/** Options of {@link createTransactionQueue}. */
export interface TransactionQueueOptions {
  readonly connection: SqliteConnection;
  /** At most so many transactions share a commit; 1 for none. */
  readonly maxGroupSize: number;
  /** Whether a transaction that awaits something else is refused. */
  readonly refuseForeignAwaits: boolean;
}

/** One FIFO for all that writes. */
export interface TransactionQueue {
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /** Runs something that begins and ends its transactions itself, alone. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** Runs a read between transactions. */
  read<T>(work: () => T): Promise<T>;
  /** Takes nothing more; resolves when all that was taken is done. */
  close(): Promise<void>;
}

interface Alone {
  readonly alone: () => Promise<void>;
}

type Entry = GroupMember | Alone;

/** At most so many transactions before others of the event loop have their turn. */
const maxPerTurn = 64;

/** Makes the queue of one connection. */
export function createTransactionQueue(options: TransactionQueueOptions): TransactionQueue {
  const { connection, refuseForeignAwaits } = options;
  let queue: Entry[] = [];
  let scheduled = false;
  let busy = false;
  let closed = false;
  const whenFree: (() => void)[] = [];
  const whenIdle: (() => void)[] = [];

  const refuse = (): PaystreamError =>
    new PaystreamError('UNAVAILABLE', `SQLite database ${connection.path} is closed`, {
      reason: 'CLOSED',
      details: { database: connection.path },
    });

  const takeGroup = (max: number): GroupMember[] => {
    const group: GroupMember[] = [];
    while (group.length < max) {
      const next = queue[group.length];
      if (next === undefined || 'alone' in next) break;
      group.push(next);
    }
    queue = queue.slice(group.length);
    return group;
  };

  const runTurn = async (): Promise<void> => {
    for (let done = 0; done < maxPerTurn && queue.length > 0; ) {
      const first = queue[0];
      if (first !== undefined && 'alone' in first) {
        queue = queue.slice(1);
        await first.alone();
        return;
      }
      const group = takeGroup(Math.min(options.maxGroupSize, maxPerTurn - done));
      done += group.length;
      const notRun = await runGroup(connection, group, refuseForeignAwaits);
      if (notRun.length > 0) queue = [...notRun, ...queue];
    }
  };

  const pump = (): void => {
    scheduled = false;
    busy = true;
    void runTurn().then(() => {
      busy = false;
      for (const read of whenFree.splice(0)) read();
      if (queue.length > 0) schedule();
      else for (const done of whenIdle.splice(0)) done();
    });
  };

  // What is asked for in one turn of the event loop is committed together at its end.
  const schedule = (): void => {
    if (scheduled || busy) return;
    scheduled = true;
    setImmediate(pump);
  };

  return {
    transaction: <T>(work: (tx: Transaction) => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        if (closed) {
          reject(refuse());
          return;
        }
        queue.push({ work, resolve: resolve as (value: unknown) => void, reject });
        schedule();
      }),
    alone: <T>(work: () => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        if (closed) {
          reject(refuse());
          return;
        }
        const stored = async (): Promise<T> => {
          const result = await work();
          await connection.synced();
          return result;
        };
        queue.push({ alone: () => stored().then(resolve, reject) });
        schedule();
      }),
    read: <T>(work: () => T) =>
      new Promise<T>((resolve, reject) => {
        const run = (): void => {
          try {
            resolve(work());
          } catch (error) {
            reject(error);
          }
        };
        if (busy) whenFree.push(run);
        else run();
      }),
    close: () => {
      closed = true;
      return busy || queue.length > 0 ? new Promise((resolve) => whenIdle.push(resolve)) : Promise.resolve();
    },
  };
}
