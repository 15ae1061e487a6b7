import type { FieldPacket } from 'mysql2';
import type { SqlRow } from '../sql/port.ts';

/** Types of columns. @see https://dev.mysql.com/doc/dev/mysql-server/latest/field__types_8h.html */
const bigint = 8;
const decimals: ReadonlySet<number | undefined> = new Set([0, 246]);

type Mutable = Record<string, unknown>;

function exact(value: string): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : BigInt(value);
}

/** Makes of what the driver gave what the port promises: integers exact whatever they come as, sums of them included. */
export function toRows(rows: readonly SqlRow[], fields: readonly FieldPacket[]): readonly SqlRow[] {
  if (rows.length === 0) return rows;
  for (const { name, columnType, decimals: digits } of fields) {
    const whole = columnType === bigint || (decimals.has(columnType) && digits === 0);
    if (!whole && !decimals.has(columnType)) continue;
    for (const row of rows as readonly Mutable[]) {
      const value = row[name];
      if (typeof value === 'string') row[name] = whole ? exact(value) : Number(value);
    }
  }
  return rows;
}
