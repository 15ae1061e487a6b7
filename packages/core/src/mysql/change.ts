import type { SqlValue } from '../sql/port.ts';
import { literal } from './literal.ts';
import type { Change } from './statement.ts';

type Rows = readonly (readonly SqlValue[])[];

const listed = 'paystream_listed';
/**
 * The longest text or bytes in a list. MariaDB gives a list with longer ones a column whose length it keeps in 16 bits: of a
 * text or bytes of 65,536 and more it has only the rest, without an error, and of many rows it says that its table is corrupted
 * (10.11, 11.4 and 11.8: of bytes; 11.4.5: of texts from 16,384 characters on).
 */
const longest = 16_000;
const column = (index: number): string => `paystream_${index}`;

/** `WHERE k = ?` for many keys. */
function ofKeys({ parts }: Change, key: number, values: readonly string[], keys: readonly string[]): string {
  const text = parts.map((part, index) => (index === key ? part.replace(/=\s*$/, `IN (${keys.join(',')})`) : part + (values[index] ?? '')));
  return `UPDATE ${text.join('')}`;
}

/** Joins the table with a list of what differs. The list comes first: its rows are looked up in the table by their key, in its order. */
function ofList({ parts }: Change, differing: readonly number[], values: readonly string[], rows: Rows, sql: string): string {
  // Names the columns, and is no row.
  const names = `SELECT ${differing.map((index) => `NULL AS ${column(index)}`).join(',')} FROM DUAL WHERE FALSE`;
  const list = rows.map((row) => ` UNION ALL SELECT ${differing.map((index) => literal(row[index], index, sql)).join(',')}`);
  const isListed = new Set(differing);
  const text = parts.map((part, index) => part + (isListed.has(index) ? `${listed}.${column(index)}` : (values[index] ?? '')));
  return `UPDATE (${names}${list.join('')}) AS ${listed} STRAIGHT_JOIN ${text.join('')}`;
}

const isLong = (value: SqlValue | undefined): boolean =>
  (typeof value === 'string' || value instanceof Uint8Array) && value.length > longest;

/**
 * One `UPDATE` of many rows, each with as many parameters as there are places; nothing if all are the same, or a list would
 * have something long. Texts of a list are compared with a table's in a way that depends on the connection's collation: so it
 * is for connections of ours only.
 */
export function changeText(change: Change, rows: Rows, sql: string, own: boolean): string | undefined {
  const [first = []] = rows;
  const indexes = first.map((_, index) => index);
  const differing = indexes.filter((index) => rows.some((row) => row[index] !== first[index]));
  const [only] = differing;
  if (only === undefined) return undefined;
  const values = indexes.map((index) => literal(first[index], index, sql));
  if (differing.length > 1 || change.compared[only] !== true) {
    const fits = own && !rows.some((row) => differing.some((index) => isLong(row[index])));
    return fits ? ofList(change, differing, values, rows, sql) : undefined;
  }
  return ofKeys(
    change,
    only,
    values,
    rows.map((row) => literal(row[only], only, sql)),
  );
}
