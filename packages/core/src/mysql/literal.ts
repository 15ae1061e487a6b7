import { PaystreamError } from '../errors/paystream-error.ts';
import type { SqlValue } from '../sql/port.ts';
import { integerRange, refuseParameter } from '../sql/refuse-parameter.ts';

const { smallest, largest } = integerRange;
const special = /['\\]/;
const specials = /['\\]/g;

/** A text as a literal. Right in sessions that speak utf8mb4 and know backslashes, which every session here is checked for. */
function textLiteral(value: string): string {
  return special.test(value) ? `'${value.replace(specials, '\\$&')}'` : `'${value}'`;
}

/** A parameter as a literal: integers stay integers, so that sums with them are exact. */
export function literal(value: SqlValue | undefined, index: number, sql: string): string {
  switch (typeof value) {
    case 'string':
      return textLiteral(value);
    case 'number':
      if (!Number.isSafeInteger(value) && (Number.isInteger(value) || !Number.isFinite(value))) refuseParameter(value, index, sql);
      return String(value);
    case 'bigint':
      if (value < smallest || value > largest) refuseParameter(value, index, sql);
      return String(value);
    default:
      if (value === null) return 'NULL';
      if (!(value instanceof Uint8Array)) refuseParameter(value, index, sql);
      return value.length === 0 ? "''" : `x'${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}'`;
  }
}

/** What stands behind `IN` for a parameter that is a JSON array of texts or integers. */
export function listLiteral(value: SqlValue | undefined, sql: string): string {
  if (value === '[]') return '(SELECT NULL FROM DUAL WHERE FALSE)';
  if (typeof value === 'string') {
    // The commonest list is already written as the literal is; parsed, its integers would lose digits.
    if (/^\[-?\d+(?:,-?\d+)*\]$/.test(value)) return `(${value.slice(1, -1)})`;
    const items = parseList(value);
    if (items?.every((item) => typeof item === 'string')) return `(${items.map(textLiteral).join(',')})`;
  }
  throw new PaystreamError('INVALID_ARGUMENT', `the parameter of IN is not what jsonList makes of texts or of integers; in: ${sql}`, {
    reason: 'INVALID_PARAMETER',
    details: { sql },
  });
}

function parseList(text: string): readonly unknown[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}
