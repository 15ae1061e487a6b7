import type { Connection, FieldPacket, QueryError, QueryOptions, ResultSetHeader } from 'mysql2';
import type { Connection as PromiseConnection } from 'mysql2/promise';
import { toRows } from '../mysql/result.ts';
import { type ForeignResult, foreignTransaction, refuseNoTransaction } from '../sql/foreign-transaction.ts';
import type { SqlRow, SqlTransaction } from '../sql/port.ts';

/** Whatever the connection is set to, these hold for our statements. */
const settings = {
  rowsAsArray: false,
  nestTables: false,
  namedPlaceholders: false,
  supportBigNumbers: true,
  dateStrings: true,
  typeCast: true,
} as const satisfies Partial<QueryOptions>;

/**
 * The transaction that is open on a connection of `mysql2` or `mysql2/promise`, for outbox and inbox to join.
 *
 * Throws `INVALID_ARGUMENT` / `NOT_A_TRANSACTION` for a pool. Errors of the driver pass through as they are.
 *
 * @example
 * await connection.beginTransaction();
 * await connection.execute('INSERT INTO users (id) VALUES (?)', [user.id]);
 * const { committed } = await outbox.add(fromMysql2(connection), [outboxEvent(signups, user)]);
 * await connection.commit();
 * committed();
 */
export function fromMysql2(connection: Connection | PromiseConnection): SqlTransaction {
  if ('getConnection' in connection) refuseNoTransaction('a pool of mysql2', 'a connection of it on which you have begun one');
  const plain: Connection =
    'promise' in connection ? connection : (connection as unknown as { readonly connection: Connection }).connection;
  return foreignTransaction(
    'mysql2',
    (sql, values) =>
      new Promise<ForeignResult>((resolve, reject) => {
        plain.query({ ...settings, sql, values: [...values] }, (error: QueryError | null, result: unknown, fields?: FieldPacket[]) => {
          if (error) reject(error);
          else if (Array.isArray(result)) resolve({ rows: toRows(result as SqlRow[], fields ?? []) });
          else resolve({ affected: (result as ResultSetHeader).affectedRows });
        });
      }),
  );
}
