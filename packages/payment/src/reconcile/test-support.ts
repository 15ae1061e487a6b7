import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Database } from '@paystream/core/sql';
import type { Gateway, GatewayCharge, Period } from '../gateway/port.ts';
import { chargeKey } from '../payment/payment.ts';
import { attemptColumns, paymentColumns } from '../store/rows.ts';

/** An attempt as stored here, of a payment of its order. */
export interface Stored {
  readonly orderId: string;
  readonly number?: number;
  readonly status?: string;
  readonly updatedAtMs?: number;
}

/** Stores attempts of 1.00 EUR each. */
export async function storeAttempts(database: Database, attempts: readonly Stored[]): Promise<void> {
  const insert = (table: string, columns: readonly string[]) => database.dialect.insertOrIgnore(database.tables(table), columns);
  const payments = attempts.map(
    ({ orderId }) => [orderId, 'm1', 'c1', 'pm_card_visa', 'EUR', 100, 'SETTLED', 1, '', null, 0, 0, 0, 1, 1, null, null] as const,
  );
  const rows = attempts.map(({ orderId, number = 1, status = 'APPROVED', updatedAtMs = 1 }) => {
    return [orderId, number, chargeKey(orderId, number), status, 'ch', '', updatedAtMs, updatedAtMs, 0, 0, 0, ''] as const;
  });
  await database.transaction((tx) => tx.executeMany(insert('payments', paymentColumns), payments));
  await database.transaction((tx) => tx.executeMany(insert('payment_attempts', attemptColumns), rows));
}

/** A charge of 1.00 EUR in the gateway's book. */
export const listed = (key: string, paymentId: string, refundedUnits = 0n): GatewayCharge => {
  return { key, paymentId, gatewayId: `ch_${key}`, amount: { currency: 'EUR', units: 100n }, refundedUnits, createdAtMs: 1 };
};

/** The first charge of an order. */
export const listedOf = (orderId: string): GatewayCharge => listed(chargeKey(orderId, 1), `pay_${orderId}`);

/** A gateway with a book of its own. */
export interface BookGateway {
  readonly gateway: Gateway;
  /** For which periods it was listed. */
  readonly periods: readonly Period[];
}

/** Makes a gateway whose book holds these charges, and those that something gives that happens once it was listed for the first time. */
export function gatewayOf(
  gateway: Gateway,
  charges: readonly GatewayCharge[],
  then?: () => Promise<readonly GatewayCharge[]>,
): BookGateway {
  const periods: Period[] = [];
  let book = charges;
  const listCharges: Gateway['listCharges'] = async function* (period) {
    periods.push(period);
    for (let from = 0; from < book.length; from += 100) yield book.slice(from, from + 100);
    if (periods.length === 1 && then !== undefined) book = [...book, ...(await then())];
  };
  return { gateway: { ...gateway, listCharges }, periods };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What is in use and not merely not collected yet, in bytes. */
export function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
