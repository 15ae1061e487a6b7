import { basisPointsOf, type Money, PaystreamError } from '@paystream/core';
import { characterCount, fromMoneyMessage, type TransactionEvent } from '@paystream/core/contracts';

/** What is kept of each sale. */
export interface WalletFees {
  /** A share of what the customer paid, in basis points (1/100 of a percent), rounded half up. Default: 290. */
  readonly basisPoints: number;
  /** And so much for each sale, in minor units; or so much by currency, nothing in those that are not named. Default: 30n. */
  readonly fixedUnits: bigint | Readonly<Record<string, bigint>>;
}

/** The fees unless told otherwise: 2.9 % and 30 minor units. */
export const defaultWalletFees: WalletFees = { basisPoints: 290, fixedUnits: 30n };

/** The fee of a sale: never more than the sale itself. */
export function saleFee(amount: Money, fees: WalletFees): bigint {
  const fixed = typeof fees.fixedUnits === 'bigint' ? fees.fixedUnits : (fees.fixedUnits[amount.currency] ?? 0n);
  const fee = basisPointsOf(amount, fees.basisPoints).units + fixed;
  return fee > amount.units ? amount.units : fee;
}

/** Something that moves money in the ledger. */
export interface Operation {
  readonly kind: 'SALE' | 'REFUND';
  readonly operationId: string;
  readonly orderId: string;
  readonly merchantId: string;
  /** What the customer paid or was given back; positive. */
  readonly amount: Money;
}

/**
 * A transfer: its postings to the three accounts of a merchant, in minor units. They add up to zero.
 * - `clearing`: what the gateway owes for charges (a sale takes from it, so it goes negative).
 * - `payable`: what the merchant is owed.
 * - `fees`: what was kept.
 */
export interface Transfer extends Operation {
  readonly clearing: bigint;
  readonly payable: bigint;
  readonly fees: bigint;
}

/** The postings of an operation. A refund is paid by the merchant in full: the fee of the sale is not given back. */
export function transferOf(operation: Operation, fees: WalletFees): Transfer {
  const { units } = operation.amount;
  if (operation.kind === 'REFUND') return { ...operation, clearing: units, payable: -units, fees: 0n };
  const fee = saleFee(operation.amount, fees);
  return { ...operation, clearing: -units, payable: units - fee, fees: fee };
}

function refuse(event: TransactionEvent, what: string, cause?: unknown): never {
  throw new PaystreamError('INVALID_ARGUMENT', `a transaction event of order "${event.orderId}" cannot be booked: ${what}`, {
    reason: 'INVALID_TRANSACTION_EVENT',
    details: { orderId: event.orderId },
    ...(cause === undefined ? {} : { cause }),
  });
}

/** As columns of the ledger hold them. */
const longest = { order: 64, merchant: 64, operation: 255 } as const;

/** The operation that an event tells of; `undefined` for those that move no money of the merchant's. Throws `INVALID_ARGUMENT` for one that cannot be booked. */
export function operationOf(event: TransactionEvent): Operation | undefined {
  const { outcome, orderId, merchantId } = event;
  if (outcome.case === undefined) return refuse(event, 'it has no outcome');
  if (outcome.case !== 'settled' && outcome.case !== 'refunded') return undefined;
  const { operationId } = outcome.value;
  if (orderId === '' || merchantId === '' || operationId === '') return refuse(event, 'order, merchant and operation must be named');
  for (const [what, id] of [
    ['order', orderId],
    ['merchant', merchantId],
    ['operation', operationId],
  ] as const) {
    const length = id.length > longest[what] ? characterCount(id) : 0;
    if (length > longest[what]) return refuse(event, `${length} characters of the ${what}'s id are more than the ${longest[what]} allowed`);
  }
  const sale = outcome.case === 'settled';
  let amount: Money;
  try {
    amount = fromMoneyMessage(sale ? outcome.value.captured : outcome.value.refunded);
  } catch (cause) {
    return refuse(event, PaystreamError.from(cause).message, cause);
  }
  if (amount.units <= 0n) return refuse(event, `${amount.units} is not more than 0`);
  return { kind: sale ? 'SALE' : 'REFUND', operationId, orderId, merchantId, amount };
}
