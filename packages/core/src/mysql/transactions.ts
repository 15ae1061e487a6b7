import type { Clock } from '../clock/port.ts';
import { backoffMs } from '../consumer/backoff.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Logger } from '../logger/port.ts';
import type { Random } from '../random/port.ts';
import type { DatabaseCallOptions, Transaction } from '../sql/port.ts';
import { notAwaited } from '../sql/transaction-over.ts';
import { createCommitOrder } from './commit-order.ts';
import type { Session } from './connection.ts';
import { MysqlTransaction } from './mysql-transaction.ts';
import type { Sessions } from './pool.ts';
import type { Statement } from './statement.ts';

/** Options of {@link createTransactions}. */
export interface TransactionsOptions {
  readonly sessions: Sessions;
  readonly compile: (sql: string) => Statement;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly maxAttempts: number;
}

/** Runs transactions. */
export type RunTransaction = <T>(work: (tx: Transaction) => Promise<T>, options?: DatabaseCallOptions) => Promise<T>;

/** Waits between attempts of a transaction that lost against another. */
const backoff = { delayMs: 4, maxDelayMs: 500 } as const;
/** A transaction that waited in vain for a row has waited long enough the second time. For a table, with all others behind it, once is enough. */
const maxLockTimeouts = { rows: 2, table: 1 } as const;

/** A commit that is not answered while later ones are, for so long, has lost its connection; in milliseconds. */
const maxOvertakenMs = 3_000;

/** How an attempt ended that may be made again. */
class Repeat {
  readonly error: PaystreamError;
  /** Nothing was answered yet: the connection had died while it lay idle. */
  readonly stale: boolean;
  /** What it may have waited for. */
  readonly locks: keyof typeof maxLockTimeouts;

  constructor(error: PaystreamError, stale: boolean, tx?: MysqlTransaction) {
    this.error = error;
    this.stale = stale;
    this.locks = tx?.changesSchema === true ? 'table' : 'rows';
  }
}

function unknownCommit(cause: PaystreamError, where: string): PaystreamError {
  // Before a COMMIT the same failure means that nothing was stored, and says so: only the driver's own words are true here.
  const words = cause.cause instanceof Error ? `MySQL at ${where}: ${cause.cause.message}` : cause.message;
  return new PaystreamError('UNAVAILABLE', `${words}: during COMMIT, so the transaction may have been stored or not`, {
    reason: 'COMMIT_UNKNOWN',
    details: cause.details,
    cause,
  });
}

/** What is known after a COMMIT that failed. Only one that lost is rolled back for certain; any other may be stored, or still open. */
function commitFailure(session: Session, error: PaystreamError, where: string): PaystreamError {
  if (error.code === 'ABORTED' && !session.broken) return error;
  session.abandon();
  return unknownCommit(error, where);
}

function overtaken(where: string): PaystreamError {
  return new PaystreamError('UNAVAILABLE', `MySQL at ${where} answers on other connections and on this one no more`, {
    reason: 'MYSQL_CONNECTION_LOST',
  });
}

/** Calls back; a callback that throws breaks its contract, which the process must hear of without the others suffering. */
function callAll(callbacks: readonly ((() => void) | undefined)[]): void {
  for (const callback of callbacks) {
    try {
      callback?.();
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/** Makes what runs the transactions of a database. */
export function createTransactions(options: TransactionsOptions): RunTransaction {
  const { sessions, compile, clock, random, logger } = options;
  const order = createCommitOrder({ clock, maxOvertakenMs });

  const rollBack = async (session: Session): Promise<void> => {
    if (session.broken) return;
    try {
      await session.end('ROLLBACK');
    } catch (error) {
      // Ending the connection rolls back too. Kept, it might hold the transaction open under whoever has it next.
      session.abandon();
      logger.debug({ err: error }, 'a transaction could not be rolled back by hand');
    }
  };

  /** Commits. Gives why the server rolled back instead, if it did; that is when some clusters find out who lost. */
  const commitOf = async (session: Session, tx: MysqlTransaction): Promise<PaystreamError | undefined> => {
    const { callbacks } = tx;
    let failure: PaystreamError | undefined;
    if (callbacks.length === 0) {
      await session.end('COMMIT').catch((error: PaystreamError) => {
        failure = commitFailure(session, error, sessions.where);
      });
    } else {
      failure = await commitInOrder(session, callbacks);
    }
    if (failure === undefined || failure.code === 'ABORTED') return failure;
    throw failure;
  };

  const commitInOrder = async (session: Session, callbacks: MysqlTransaction['callbacks']): Promise<PaystreamError | undefined> => {
    let failure: PaystreamError | undefined;
    const failed = (error: PaystreamError) => () => {
      failure = commitFailure(session, error, sessions.where);
      if (session.broken) callAll(callbacks.map((one) => one.unknown));
    };
    await order.commit(
      () => session.end('COMMIT').then(() => () => callAll(callbacks.map((one) => one.committed)), failed),
      () => {
        session.abandon();
        return failed(overtaken(sessions.where));
      },
    );
    return failure;
  };

  const attempt = async <T>(work: (tx: Transaction) => Promise<T>, how: DatabaseCallOptions | undefined): Promise<T | Repeat> => {
    const session = await sessions.acquire(how);
    try {
      try {
        await session.begin();
      } catch (error) {
        return new Repeat(PaystreamError.from(error), session.stale);
      }
      const tx = new MysqlTransaction(session, compile);
      let value: T;
      try {
        value = await work(tx);
      } catch (error) {
        const { lost } = tx;
        await tx.end();
        await rollBack(session);
        if (lost === undefined) throw error;
        return new Repeat(lost, session.stale, tx);
      }
      const forgotten = await tx.end();
      if (tx.lost !== undefined || forgotten > 0) {
        await rollBack(session);
        if (tx.lost === undefined) throw notAwaited(forgotten);
        return new Repeat(tx.lost, session.stale, tx);
      }
      const lost = await commitOf(session, tx);
      if (lost === undefined) return value;
      await rollBack(session);
      return new Repeat(lost, false);
    } finally {
      session.release();
    }
  };

  return async (work, how) => {
    let lockTimeouts = 0;
    for (let attempts = 1; ; attempts++) {
      const result = await attempt(work, how);
      if (!(result instanceof Repeat)) return result;
      const { error, stale, locks } = result;
      if (error.reason === 'LOCK_TIMEOUT') lockTimeouts += 1;
      const again = stale
        ? attempts === 1
        : error.code === 'ABORTED' && attempts < options.maxAttempts && lockTimeouts < maxLockTimeouts[locks];
      if (!again) throw error;
      logger.debug({ attempts, err: error }, 'a transaction is run again');
      if (!stale) await clock.sleep(backoffMs(backoff, attempts, random));
    }
  };
}
