import { PaystreamError } from '@paystream/core';

/** JSON has no dates after the year 9999, so an order that expired later could be stored and never shown. */
const longestMs = 3_153_600_000_000;

/** Throws `INVALID_ARGUMENT` / `INVALID_ORDER_OPTION` for a time after which no order can expire. */
export function checkExpiry(expiryMs: number): void {
  if (Number.isSafeInteger(expiryMs) && expiryMs >= 1 && expiryMs <= longestMs) return;
  throw new PaystreamError(
    'INVALID_ARGUMENT',
    `expiryMs is ${expiryMs}; it must be a whole number from 1 to ${longestMs}, a hundred years`,
    {
      reason: 'INVALID_ORDER_OPTION',
      details: { option: 'expiryMs', value: String(expiryMs) },
    },
  );
}
