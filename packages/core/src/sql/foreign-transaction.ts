import { PaystreamError } from '../errors/paystream-error.ts';
import type { SqlResult, SqlRow, SqlTransaction, SqlValue } from './port.ts';
import { integerRange, refuseParameter } from './refuse-parameter.ts';

/** What a driver of the caller's gave for a statement: its rows, or how many it changed. */
export type ForeignResult =
  | { readonly rows: readonly unknown[] }
  /** `undefined` where the driver does not say. */
  | { readonly affected: number | bigint | undefined };

/** Throws `INVALID_ARGUMENT` / `NOT_A_TRANSACTION`: a row beside the transaction would be stored even if that is rolled back. */
export function refuseNoTransaction(what: string, instead: string): never {
  throw new PaystreamError('INVALID_ARGUMENT', `${what} is no transaction: pass ${instead}`, { reason: 'NOT_A_TRANSACTION' });
}

/** Whether a statement gives rows. */
export const isRead = (sql: string): boolean => /^\s*(?:SELECT|WITH|VALUES|SHOW)\b/i.test(sql);

function checkParameters(parameters: readonly SqlValue[], sql: string): void {
  parameters.forEach((value: unknown, index) => {
    const fits =
      value === null ||
      typeof value === 'string' ||
      (typeof value === 'number' && (Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value)))) ||
      (typeof value === 'bigint' && value >= integerRange.smallest && value <= integerRange.largest) ||
      value instanceof Uint8Array;
    if (!fits) refuseParameter(value, index, sql);
  });
}

function toRow(row: unknown): SqlRow {
  const values = Object.entries(row as Record<string, SqlValue>).map(([column, value]) => [
    column,
    typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value,
  ]);
  return Object.fromEntries(values) as SqlRow;
}

/** A transaction of the caller's: `run` executes one statement in it. What it throws is the caller's own error, left as it is. */
export function foreignTransaction(
  driver: string,
  run: (sql: string, parameters: readonly SqlValue[]) => Promise<ForeignResult>,
): SqlTransaction {
  return {
    execute: async <R = SqlRow>(sql: string, parameters: readonly SqlValue[] = []): Promise<SqlResult<R>> => {
      checkParameters(parameters, sql);
      const result = await run(sql, parameters);
      if ('rows' in result) return { rows: result.rows.map(toRow) as R[], affected: 0 };
      if (result.affected === undefined) {
        throw new PaystreamError('UNSUPPORTED', `${driver} does not say how many rows a statement changed; in: ${sql}`, {
          reason: 'AFFECTED_UNKNOWN',
        });
      }
      return { rows: [], affected: Number(result.affected) };
    },
  };
}
