import type { SQLInputValue } from 'node:sqlite';
import { PaystreamError } from '../../errors/paystream-error.ts';
import type { SqlValue } from '../../sql/port.ts';

function refuse(value: unknown, index: number, sql: string): never {
  let advice = 'pass a string, a number, a bigint, a Uint8Array or null';
  if (value === undefined) advice = 'pass null for "no value"';
  else if (typeof value === 'boolean') advice = 'pass 1 or 0';
  else if (typeof value === 'number') advice = 'pass a bigint for an integer of this size; NaN and infinities cannot be stored';
  else if (typeof value === 'bigint') advice = 'it does not fit into 64 bits';
  const shown = typeof value === 'object' ? Object.prototype.toString.call(value) : String(value);
  throw new PaystreamError('INVALID_ARGUMENT', `parameter ${index + 1} of a statement is ${shown}: ${advice}; in: ${sql}`, {
    reason: 'INVALID_PARAMETER',
  });
}

const smallest = -(2n ** 63n);
const largest = 2n ** 63n - 1n;

/**
 * Checks parameters and makes integers of integers: `node:sqlite` binds every number as a float, with which sums beyond
 * 2^53 would lose units.
 */
export function bindParameters(parameters: readonly SqlValue[], sql: string): SQLInputValue[] {
  const bound = new Array<SQLInputValue>(parameters.length);
  for (let index = 0; index < parameters.length; index++) {
    const value = parameters[index];
    switch (typeof value) {
      case 'string':
        bound[index] = value;
        break;
      case 'number':
        if (Number.isSafeInteger(value)) bound[index] = BigInt(value);
        else if (Number.isInteger(value) || !Number.isFinite(value)) refuse(value, index, sql);
        else bound[index] = value;
        break;
      case 'bigint':
        if (value < smallest || value > largest) refuse(value, index, sql);
        bound[index] = value;
        break;
      default:
        if (value !== null && !(value instanceof Uint8Array)) refuse(value, index, sql);
        bound[index] = value as SQLInputValue;
    }
  }
  return bound;
}
