import type { SQLInputValue } from 'node:sqlite';
import type { SqlValue } from '../../sql/port.ts';
import { integerRange, refuseParameter } from '../../sql/refuse-parameter.ts';

const { smallest, largest } = integerRange;

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
        else if (Number.isInteger(value) || !Number.isFinite(value)) refuseParameter(value, index, sql);
        else bound[index] = value;
        break;
      case 'bigint':
        if (value < smallest || value > largest) refuseParameter(value, index, sql);
        bound[index] = value;
        break;
      default:
        if (value !== null && !(value instanceof Uint8Array)) refuseParameter(value, index, sql);
        bound[index] = value as SQLInputValue;
    }
  }
  return bound;
}
