/**
 * The one parameter of `IN ${dialect.inJson}`: a JSON array. Big integers stay exact.
 *
 * @example
 * await tx.execute(`DELETE FROM ${tables('orders')} WHERE id IN ${dialect.inJson}`, [jsonList(ids)]);
 */
export function jsonList(values: Iterable<string | number | bigint>): string {
  const parts: string[] = [];
  for (const value of values) parts.push(typeof value === 'string' ? JSON.stringify(value) : String(value));
  return `[${parts.join(',')}]`;
}
