import { CompiledQuery } from 'kysely';
import { foreignTransaction, isRead, refuseNoTransaction } from '../sql/foreign-transaction.ts';
import type { SqlTransaction } from '../sql/port.ts';

/** What is needed of Kysely's `Transaction` or `ControlledTransaction`, of whichever version. */
export interface KyselyTransaction {
  /** What tells it from a `Kysely` that is no transaction. */
  readonly isTransaction: true;
  /** The same without plugins. */
  withoutPlugins(): Pick<KyselyTransaction, 'executeQuery'>;
  /** Runs a compiled statement. */
  executeQuery(query: CompiledQuery): Promise<{ readonly rows: readonly unknown[]; readonly numAffectedRows?: bigint | undefined }>;
}

/**
 * A transaction of Kysely's on MySQL or MariaDB, for outbox and inbox to join. Plugins, such as one that renames columns, do
 * not see its statements.
 *
 * Throws `INVALID_ARGUMENT` / `NOT_A_TRANSACTION` for a `Kysely` that is none. Errors of the driver pass through as they are.
 *
 * @example
 * const { committed } = await db.transaction().execute(async (trx) => {
 *   await trx.insertInto('users').values(user).execute();
 *   return outbox.add(fromKysely(trx), [outboxEvent(signups, user)]);
 * });
 * committed();
 */
export function fromKysely(trx: KyselyTransaction): SqlTransaction {
  if (!trx.isTransaction) refuseNoTransaction('this Kysely', 'what db.transaction().execute calls your function with');
  const plain = trx.withoutPlugins();
  return foreignTransaction('the Kysely dialect', async (sql, parameters) => {
    const { rows, numAffectedRows } = await plain.executeQuery(CompiledQuery.raw(sql, [...parameters]));
    return isRead(sql) ? { rows } : { affected: numAffectedRows };
  });
}
