import { type Database, defineStatements, jsonList } from '@paystream/core/sql';
import type { GatewayCharge, Period } from '../gateway/port.ts';
import { type AttemptStatus, readChargeKey, readPaymentId } from '../payment/payment.ts';

const pageSize = 1_000;

const statements = defineStatements(({ tables, dialect }) => ({
  attempts: `SELECT a.order_id, a.number, a.gateway_key, a.status, a.updated_at, p.currency, p.units, p.refunded_units
    FROM ${tables('payment_attempts')} a JOIN ${tables('payments')} p ON p.order_id = a.order_id WHERE a.order_id IN ${dialect.inJson}`,
  // By the key alone: for a status or a time no index serves, so a page of few such rows would be a walk through all others.
  page: `SELECT order_id, number, gateway_key, status, updated_at FROM ${tables('payment_attempts')}
    WHERE order_id >= ? AND (order_id > ? OR number > ?) ORDER BY order_id, number LIMIT ?`,
  totals: `SELECT MAX(order_id) AS last_id, COUNT(*) AS looked,
    SUM(CASE WHEN status IN ('SETTLED', 'PARTIALLY_REFUNDED', 'REFUNDED') THEN 1 ELSE 0 END) AS settled,
    SUM(CASE WHEN status IN ('PENDING', 'IN_REVIEW') THEN 1 ELSE 0 END) AS open
    FROM (SELECT order_id, status FROM ${tables('payments')} WHERE order_id > ? ORDER BY order_id LIMIT ?) looked`,
}));

/** An attempt as stored here. */
export interface StoredAttempt {
  readonly order_id: string;
  readonly number: number;
  readonly gateway_key: string;
  readonly status: AttemptStatus;
  readonly updated_at: number;
}

/** One with the amounts of its payment. */
export interface OwnAttempt extends StoredAttempt {
  readonly currency: string;
  readonly units: number | bigint;
  readonly refunded_units: number | bigint;
}

interface TotalsRow {
  readonly last_id: string | null;
  readonly looked: number;
  readonly settled: number | bigint | null;
  readonly open: number | bigint | null;
}

/** The order that a charge belongs to by its key, or by its payment where the key is not one of ours. */
export function orderOf({ key, paymentId }: GatewayCharge): string | undefined {
  return readChargeKey(key)?.orderId ?? readPaymentId(paymentId);
}

/** Our own side of the comparison. No statement looks at more than a page. */
export interface OwnBook {
  /** All attempts of the orders that these charges name, by order. */
  attemptsOf(charges: readonly GatewayCharge[]): Promise<ReadonlyMap<string, readonly OwnAttempt[]>>;
  /** Whether an attempt counts as charged in the period. */
  isCharged(attempt: StoredAttempt): boolean;
  /** The attempts that count as charged in the period, page by page. */
  charged(): AsyncIterable<readonly StoredAttempt[]>;
  totals(): Promise<{ readonly settled: bigint; readonly open: bigint }>;
}

export function createOwnBook(database: Database, period: Period): OwnBook {
  const sql = statements(database);
  const isCharged = ({ status, updated_at: updatedAt }: StoredAttempt): boolean =>
    (status === 'APPROVED' || status === 'REVERSING') && updatedAt >= period.startMs && updatedAt < period.endMs;

  return {
    attemptsOf: async (charges) => {
      const orderIds = new Set(charges.map(orderOf).filter((id) => id !== undefined));
      const rows = await database.query<OwnAttempt>(sql.attempts, [jsonList(orderIds)]);
      return Map.groupBy(rows, (row) => row.order_id);
    },
    isCharged,
    charged: async function* () {
      let after: Pick<StoredAttempt, 'order_id' | 'number'> | undefined = { order_id: '', number: 0 };
      while (after !== undefined) {
        const { order_id: orderId, number } = after;
        const page: readonly StoredAttempt[] = await database.query<StoredAttempt>(sql.page, [orderId, orderId, number, pageSize]);
        yield page.filter(isCharged);
        // A page that is not full is the last: orders that come as fast as they are read would never let it end.
        after = page.length < pageSize ? undefined : page.at(-1);
      }
    },
    totals: async () => {
      let [settled, open] = [0n, 0n];
      for (let after: string | null = ''; after !== null; ) {
        const [page]: readonly TotalsRow[] = await database.query<TotalsRow>(sql.totals, [after, pageSize]);
        settled += BigInt(page?.settled ?? 0);
        open += BigInt(page?.open ?? 0);
        after = page?.looked === pageSize ? page.last_id : null;
      }
      return { settled, open };
    },
  };
}
