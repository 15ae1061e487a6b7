import { PaystreamError } from '../errors/paystream-error.ts';

/** The range of an integer that databases keep exactly. */
export const integerRange: { readonly smallest: bigint; readonly largest: bigint } = { smallest: -(2n ** 63n), largest: 2n ** 63n - 1n };

/** Throws `INVALID_ARGUMENT` for a parameter that no database takes, saying what to pass instead. */
export function refuseParameter(value: unknown, index: number, sql: string): never {
  let advice = 'pass a string, a number, a bigint, a Uint8Array or null';
  if (value === undefined) advice = 'pass null for "no value"';
  else if (typeof value === 'boolean') advice = 'pass 1 or 0';
  else if (typeof value === 'number') advice = 'pass a bigint for an integer of this size; NaN and infinities cannot be stored';
  else if (typeof value === 'bigint') advice = 'it does not fit into 64 bits';
  const shown = typeof value === 'object' ? Object.prototype.toString.call(value) : String(value);
  throw new PaystreamError('INVALID_ARGUMENT', `parameter ${index + 1} of a statement is ${shown}: ${advice}; in: ${sql}`, {
    reason: 'INVALID_PARAMETER',
    details: { sql },
  });
}
