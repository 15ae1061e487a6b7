import { type ForeignResult, foreignTransaction, refuseNoTransaction } from '../sql/foreign-transaction.ts';
import type { SqlTransaction, SqlValue } from '../sql/port.ts';

/** What is needed of a transaction of Drizzle's on MySQL: what `db.transaction` calls your function with. */
export interface DrizzleTransaction {
  /** Runs a statement. */
  execute(query: never): Promise<unknown>;
  /** What tells it from a database that is no transaction. */
  rollback(): never;
}

/** A statement as Drizzle asks for it: compiled already, so that nothing of Drizzle is needed to write it. */
function compiled(sql: string, parameters: readonly SqlValue[]): never {
  const query = { toQuery: () => ({ sql, params: [...parameters] }) };
  return { getSQL: () => query } as never;
}

/** Of mysql2 and of proxies: the result before its fields. Of PlanetScale and TiDB: an object of both. */
function resultOf(result: unknown): ForeignResult {
  const answer: unknown = Array.isArray(result) ? result[0] : result;
  if (Array.isArray(answer)) return { rows: answer };
  const { affectedRows, rowsAffected, rows } = answer as {
    readonly affectedRows?: number;
    readonly rowsAffected?: number | null;
    readonly rows?: readonly unknown[] | null;
  };
  if (rows !== undefined && rows !== null && rows.length > 0) return { rows };
  return { affected: affectedRows ?? rowsAffected ?? undefined };
}

/**
 * A transaction of Drizzle's on MySQL or MariaDB, for outbox and inbox to join.
 *
 * Throws `INVALID_ARGUMENT` / `NOT_A_TRANSACTION` for a database that is none. Errors of the driver pass through as Drizzle
 * gives them.
 *
 * @example
 * const { committed } = await db.transaction(async (tx) => {
 *   await tx.insert(users).values(user);
 *   return outbox.add(fromDrizzle(tx), [outboxEvent(signups, user)]);
 * });
 * committed();
 */
export function fromDrizzle(tx: DrizzleTransaction): SqlTransaction {
  if (typeof tx.rollback !== 'function') refuseNoTransaction('this database of Drizzle', 'what db.transaction calls your function with');
  return foreignTransaction('the driver under Drizzle', async (sql, parameters) => resultOf(await tx.execute(compiled(sql, parameters))));
}
