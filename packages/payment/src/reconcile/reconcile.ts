import { create } from '@bufbuild/protobuf';
import { PaystreamError } from '@paystream/core';
import { type ReconcileResponse, ReconcileResponseSchema, toMoneyMessage } from '@paystream/core/contracts';
import type { Database } from '@paystream/core/sql';
import type { Gateway, GatewayCharge, Period } from '../gateway/port.ts';
import { paymentIdOf, readChargeKey } from '../payment/payment.ts';
import { createDifferences, isStanding } from './differences.ts';
import { bucketCount, bucketOf, createKeySketch } from './key-sketch.ts';
import { createOwnBook, type OwnAttempt, orderOf } from './own-book.ts';

/** How many charges of a payment stand. */
type Standing = Map<string, number>;

const paymentOf = (charge: GatewayCharge): string => charge.paymentId || charge.key;

function count(standing: Standing, charge: GatewayCharge): void {
  const payment = paymentOf(charge);
  standing.set(payment, (standing.get(payment) ?? 0) + 1);
}

function twice(standing: Standing): bigint {
  return [...standing.values()].reduce((sum, times) => (times > 1 ? sum + 1n : sum), 0n);
}

function listingOf(gateway: Gateway, period: Period): AsyncIterable<readonly GatewayCharge[]> {
  if (gateway.listCharges !== undefined && gateway.abilities.listCharges) return gateway.listCharges(period);
  throw new PaystreamError('FAILED_PRECONDITION', `gateway "${gateway.name}" cannot list its charges: compare its own reports instead`, {
    reason: 'GATEWAY_CANNOT_LIST',
    details: { gateway: gateway.name },
  });
}

/** Options of {@link reconcile}. */
export interface ReconcileOptions {
  readonly database: Database;
  readonly gateway: Gateway;
  /** About how many keys are kept when the list is asked for again: more take less often. Default: 50,000. */
  readonly keysAtOnce?: number | undefined;
}

/**
 * Compares the gateway's book with ours. The gateway lists its charges in any order and there may be any number, so none is
 * kept: what was charged as stored here and what the gateway listed of it go into a sketch, and only where that says that
 * they differ, or a payment may have been charged twice, is the list asked for again, for these alone.
 */
export async function reconcile({ database, gateway, keysAtOnce = 50_000 }: ReconcileOptions, period: Period): Promise<ReconcileResponse> {
  const own = createOwnBook(database, period);
  const differences = createDifferences();
  const sketch = createKeySketch();
  const charged = new Map<string, bigint>();
  let charges = 0n;
  /** Of payments that have another charge than their one approved attempt, or may have. */
  const standing: Standing = new Map();
  let maybeTwice = false;

  /** Whether a charge that stands is that of the only attempt by which its payment may stand: then the sketch alone tells whether it is there twice. */
  const add = (charge: GatewayCharge, attempts: readonly OwnAttempt[]): void => {
    const number = readChargeKey(charge.key)?.attempt;
    const attempt = attempts.find((one) => one.number === number);
    differences.compare(charge, attempt);
    const counted = attempt !== undefined && own.isCharged(attempt);
    if (counted) sketch.add(charge.key);
    if (!isStanding(charge)) return;
    charges += 1n;
    const { currency, units } = charge.amount;
    charged.set(currency, (charged.get(currency) ?? 0n) + units - charge.refundedUnits);
    const isOwn = attempt !== undefined && (charge.paymentId === '' || charge.paymentId === paymentIdOf(attempt.order_id));
    const alone = isOwn && attempts.every((one) => one === attempt || one.status !== 'APPROVED');
    if (counted && alone && attempt.status === 'APPROVED') return;
    // In an account that others charge through as well there may be any number of theirs.
    if (attempts.length === 0 && differences.full) return;
    count(standing, charge);
    maybeTwice ||= !alone;
  };

  let [listed, stored] = [0, 0];
  for await (const page of listingOf(gateway, period)) {
    listed += page.length;
    const attempts = await own.attemptsOf(page);
    for (const charge of page) add(charge, attempts.get(orderOf(charge) ?? '') ?? []);
  }
  for await (const page of own.charged()) {
    stored += page.length;
    for (const attempt of page) sketch.take(attempt.gateway_key);
  }

  /** Looks at all keys of some buckets. Gives how many payments were charged twice by these, or of those that may have been. */
  const lookAgain = async (buckets: ReadonlySet<number>, maybe: boolean): Promise<bigint> => {
    const again: Standing = new Map();
    const there = new Set<string>();
    for await (const page of listingOf(gateway, period)) {
      for (const charge of page) {
        const inDoubt = buckets.has(bucketOf(charge.key));
        if (inDoubt) there.add(charge.key);
        if (isStanding(charge) && (standing.has(paymentOf(charge)) ? maybe : inDoubt)) count(again, charge);
      }
    }
    const isMissing = (key: string): boolean => buckets.has(bucketOf(key)) && !there.has(key);
    if (buckets.size > 0 && !differences.full) {
      for await (const page of own.charged()) for (const attempt of page) if (isMissing(attempt.gateway_key)) differences.missing(attempt);
    }
    return twice(again);
  };

  const keysPerBucket = Math.max(1, Math.max(listed, stored) / bucketCount);
  const most = Math.max(1, Math.floor(keysAtOnce / keysPerBucket));
  let buckets = sketch.differing(most);
  let chargedTwice = buckets.size > 0 || maybeTwice ? await lookAgain(buckets, true) : twice(standing);
  while (buckets.size === most && !differences.full) {
    buckets = sketch.differing(most, ([...buckets].at(-1) ?? 0) + 1);
    if (buckets.size > 0) chargedTwice += await lookAgain(buckets, false);
  }

  const { settled, open } = await own.totals();
  return create(ReconcileResponseSchema, {
    charges,
    charged: [...charged].sort().map(([currency, units]) => toMoneyMessage({ currency, units })),
    chargedTwice,
    settled,
    open,
    discrepancies: [...differences.found],
  });
}
