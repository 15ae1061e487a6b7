import { create } from '@bufbuild/protobuf';
import { formatMoney, type Money, PaystreamError } from '@paystream/core';
import {
  type Discrepancy,
  DiscrepancyKind,
  DiscrepancySchema,
  type ReconcileResponse,
  ReconcileResponseSchema,
  toMoneyMessage,
} from '@paystream/core/contracts';
import { type Database, defineStatements, jsonList } from '@paystream/core/sql';
import type { Gateway, GatewayCharge, Period } from '../gateway/port.ts';
import { type AttemptStatus, paymentIdOf, readChargeKey } from '../payment/payment.ts';

const statements = defineStatements(({ tables, dialect }) => ({
  attempts: `SELECT a.order_id, a.number, a.status, p.currency, p.units, p.refunded_units FROM ${tables('payment_attempts')} a
    JOIN ${tables('payments')} p ON p.order_id = a.order_id WHERE a.order_id IN ${dialect.inJson}`,
  charged: `SELECT order_id, number, gateway_key FROM ${tables('payment_attempts')}
    WHERE (order_id > ? OR (order_id = ? AND number > ?)) AND status IN ('APPROVED', 'REVERSING') AND updated_at >= ? AND updated_at < ?
    ORDER BY order_id, number LIMIT ?`,
  totals: `SELECT COALESCE(SUM(CASE WHEN status IN ('SETTLED', 'PARTIALLY_REFUNDED', 'REFUNDED') THEN 1 ELSE 0 END), 0) AS settled,
    COALESCE(SUM(CASE WHEN status IN ('PENDING', 'IN_REVIEW') THEN 1 ELSE 0 END), 0) AS open FROM ${tables('payments')}`,
}));

interface OwnAttempt {
  readonly order_id: string;
  readonly number: number;
  readonly status: AttemptStatus;
  readonly currency: string;
  readonly units: number | bigint;
  readonly refunded_units: number | bigint;
}

const pageSize = 1_000;
const maxDiscrepancies = 1_000;

interface Tally {
  charges: number;
  readonly charged: Map<string, bigint>;
  readonly seen: Set<string>;
  /** How many charges of a payment stand that were not given back. */
  readonly standing: Map<string, number>;
  readonly discrepancies: Discrepancy[];
}

function differ(tally: Tally, kind: DiscrepancyKind, gatewayKey: string, paymentId: string, detail: string): void {
  if (tally.discrepancies.length >= maxDiscrepancies) return;
  tally.discrepancies.push(create(DiscrepancySchema, { kind, gatewayKey, paymentId, detail }));
}

function compare(tally: Tally, charge: GatewayCharge, own: OwnAttempt | undefined): void {
  const { key, amount, refundedUnits, gatewayId, paymentId } = charge;
  tally.seen.add(key);
  const standing = refundedUnits < amount.units;
  if (standing) {
    tally.charges += 1;
    tally.charged.set(amount.currency, (tally.charged.get(amount.currency) ?? 0n) + amount.units - refundedUnits);
    const payment = paymentId || key;
    tally.standing.set(payment, (tally.standing.get(payment) ?? 0) + 1);
  }
  if (own === undefined) {
    const detail = `the gateway charged ${formatMoney(amount)} as ${gatewayId}; no such attempt is stored here`;
    differ(tally, DiscrepancyKind.MISSING_HERE, key, paymentId, detail);
    return;
  }
  const ownId = paymentIdOf(own.order_id);
  const ownAmount: Money = { currency: own.currency, units: BigInt(own.units) };
  if (ownAmount.currency !== amount.currency || ownAmount.units !== amount.units) {
    differ(tally, DiscrepancyKind.AMOUNT, key, ownId, `charged ${formatMoney(amount)}, stored here as ${formatMoney(ownAmount)}`);
  }
  const expected = own.status === 'APPROVED' ? BigInt(own.refunded_units) : own.status === 'REVERSED' ? ownAmount.units : undefined;
  if (expected === undefined && standing) {
    differ(tally, DiscrepancyKind.STATE, key, ownId, `charged as ${gatewayId}; the attempt is ${own.status} here`);
  } else if (expected !== undefined && expected !== refundedUnits) {
    const detail = `${refundedUnits} minor units were given back at the gateway, ${expected} as stored here`;
    differ(tally, DiscrepancyKind.STATE, key, ownId, detail);
  }
}

/** Compares the gateway's book with ours. */
export async function reconcile(
  { database, gateway }: { readonly database: Database; readonly gateway: Gateway },
  period: Period,
): Promise<ReconcileResponse> {
  const sql = statements(database);
  if (gateway.listCharges === undefined || !gateway.abilities.listCharges) {
    throw new PaystreamError('FAILED_PRECONDITION', `gateway "${gateway.name}" cannot list its charges: compare its own reports instead`, {
      reason: 'GATEWAY_CANNOT_LIST',
      details: { gateway: gateway.name },
    });
  }
  const tally: Tally = { charges: 0, charged: new Map(), seen: new Set(), standing: new Map(), discrepancies: [] };
  for await (const page of gateway.listCharges(period)) {
    const orderIds = new Set(page.map((charge) => readChargeKey(charge.key)?.orderId).filter((id) => id !== undefined));
    const rows = await database.query<OwnAttempt>(sql.attempts, [jsonList(orderIds)]);
    const own = new Map(rows.map((row) => [`${row.order_id}\n${row.number}`, row]));
    for (const charge of page) {
      const key = readChargeKey(charge.key);
      compare(tally, charge, key && own.get(`${key.orderId}\n${key.attempt}`));
    }
  }
  for (let after = { order_id: '', number: 0 }; ; ) {
    const page = await database.query<{ order_id: string; number: number; gateway_key: string }>(sql.charged, [
      after.order_id,
      after.order_id,
      after.number,
      period.startMs,
      period.endMs,
      pageSize,
    ]);
    for (const { gateway_key: key, order_id: orderId } of page) {
      if (tally.seen.has(key)) continue;
      differ(tally, DiscrepancyKind.MISSING_AT_GATEWAY, key, paymentIdOf(orderId), 'charged as stored here; the gateway does not list it');
    }
    const last = page.at(-1);
    if (last === undefined) break;
    after = last;
  }
  const [totals] = await database.query<{ settled: number; open: number }>(sql.totals);
  let chargedTwice = 0;
  for (const count of tally.standing.values()) if (count > 1) chargedTwice += 1;
  return create(ReconcileResponseSchema, {
    charges: BigInt(tally.charges),
    charged: [...tally.charged].sort().map(([currency, units]) => toMoneyMessage({ currency, units })),
    chargedTwice: BigInt(chargedTwice),
    settled: BigInt(totals?.settled ?? 0),
    open: BigInt(totals?.open ?? 0),
    discrepancies: tally.discrepancies,
  });
}
