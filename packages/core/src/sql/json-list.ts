/**
 * The one parameter of `IN ${dialect.inJson}`: a JSON array. Big integers stay exact; texts are those that a database keeps, which
 * has U+FFFD for half of a surrogate pair.
 *
 * @example
 * await tx.execute(`DELETE FROM ${tables('orders')} WHERE id IN ${dialect.inJson}`, [jsonList(ids)]);
 */
export function jsonList(values: Iterable<string | number | bigint>): string {
  const parts: string[] = [];
  for (const value of values) parts.push(typeof value === 'string' ? JSON.stringify(value.toWellFormed()) : String(value));
  return `[${parts.join(',')}]`;
}
