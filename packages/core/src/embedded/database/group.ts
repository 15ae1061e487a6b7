import { PaystreamError } from '../../errors/paystream-error.ts';
import type { Transaction } from '../../sql/port.ts';
import { notAwaited } from '../../sql/transaction-over.ts';
import type { SqliteConnection } from '../sqlite/open.ts';
import { SqliteTransaction } from './sqlite-transaction.ts';

/** A transaction that waits for its turn. */
export interface GroupMember {
  readonly work: (tx: Transaction) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Done {
  readonly member: GroupMember;
  readonly value: unknown;
  readonly tx: SqliteTransaction;
}

const begin = 'BEGIN IMMEDIATE';
const commit = 'COMMIT';
const rollback = 'ROLLBACK';
const savepoint = 'SAVEPOINT member';
const release = 'RELEASE member';
const rollbackTo = 'ROLLBACK TO member';

function foreignAwait(): PaystreamError {
  return new PaystreamError(
    'FAILED_PRECONDITION',
    'a transaction awaited something other than its own calls, and would have held up every other one: do that before or after it',
    { reason: 'FOREIGN_AWAIT' },
  );
}

function lost(cause: unknown): PaystreamError {
  return new PaystreamError('UNAVAILABLE', 'the transaction was rolled back together with one whose storage failed; nothing was stored', {
    reason: 'COMMIT_FAILED',
    cause,
  });
}

/** Ends the transaction whatever it takes; gives what went wrong. */
function rollBackAll(connection: SqliteConnection, error: unknown): unknown {
  try {
    if (connection.inTransaction) connection.statement(rollback).run([]);
    return error;
  } catch (second) {
    return new AggregateError([error, second], `${String(error)}; and the rollback failed: ${String(second)}`);
  }
}

/** Rejects the member under way as soon as a turn of the event loop has passed while it was open. */
function watchTurns(): { watch<T>(tx: SqliteTransaction, work: () => Promise<T>): Promise<T>; stop(): void } {
  let current: ((error: PaystreamError) => void) | undefined;
  const onTurn = (): void => {
    timer = setImmediate(onTurn);
    current?.(foreignAwait());
  };
  let timer = setImmediate(onTurn);
  return {
    watch: (tx, work) =>
      new Promise((resolve, reject) => {
        current = (error) => {
          tx.end(error);
          reject(error);
        };
        work().then(resolve, reject);
      }),
    stop: () => clearImmediate(timer),
  };
}

/** Runs the work of a member to its end; rejects if it left a call behind. */
async function runWork(member: GroupMember, tx: SqliteTransaction): Promise<unknown> {
  const value = await member.work(tx);
  tx.end();
  if (tx.underWay > 0) throw notAwaited(tx.underWay);
  return value;
}

/** Calls back; a callback that throws breaks its contract, which the process must hear of without the others suffering. */
function callBack(done: readonly Done[]): void {
  for (const { tx } of done) {
    for (const callback of tx.callbacks) {
      try {
        callback();
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}

/**
 * Runs transactions one after the other under one commit; one that fails takes back its own work only. Settles each, after
 * the commit. Gives those back that were not begun because the database ended the transaction under the group.
 */
export async function runGroup(
  connection: SqliteConnection,
  members: readonly GroupMember[],
  refuseForeignAwaits: boolean,
): Promise<readonly GroupMember[]> {
  const run = (sql: string): unknown => connection.statement(sql).run([]);
  const shared = members.length > 1;
  const done: Done[] = [];
  const failed: { readonly member: GroupMember; readonly error: unknown }[] = [];
  let begun = 0;
  const settleFailed = (): void => {
    for (const { member, error } of failed) member.reject(error);
  };
  try {
    run(begin);
  } catch (error) {
    for (const member of members) member.reject(error);
    return [];
  }
  const watcher = refuseForeignAwaits ? watchTurns() : undefined;
  try {
    for (const member of members) {
      begun += 1;
      if (shared) run(savepoint);
      const tx = new SqliteTransaction(connection);
      try {
        const value = await (watcher === undefined ? runWork(member, tx) : watcher.watch(tx, () => runWork(member, tx)));
        done.push({ member, value, tx });
      } catch (error) {
        tx.end();
        failed.push({ member, error });
        if (!connection.inTransaction) throw error;
        if (shared) run(rollbackTo);
      }
      if (shared) run(release);
    }
    run(done.length > 0 ? commit : rollback);
    watcher?.stop();
    if (done.length > 0) await connection.synced();
  } catch (error) {
    const cause = rollBackAll(connection, error);
    settleFailed();
    const own = !shared || (PaystreamError.is(cause) && cause.code === 'UNAVAILABLE') ? cause : lost(cause);
    for (const { member } of done) member.reject(own);
    return members.slice(begun);
  } finally {
    watcher?.stop();
  }
  callBack(done);
  for (const { member, value } of done) member.resolve(value);
  settleFailed();
  return [];
}
