import { create } from '@bufbuild/protobuf';
import { formatMoney, type Money } from '@paystream/core';
import { type Discrepancy, DiscrepancyKind, DiscrepancySchema } from '@paystream/core/contracts';
import type { GatewayCharge } from '../gateway/port.ts';
import { paymentIdOf } from '../payment/payment.ts';
import type { OwnAttempt, StoredAttempt } from './own-book.ts';

/** How many differences are told. */
const maxDifferences = 1_000;

/** Whether a charge was not given back as a whole. */
export function isStanding(charge: GatewayCharge): boolean {
  return charge.refundedUnits < charge.amount.units;
}

/** What a comparison has found, up to 1,000. */
export interface Differences {
  readonly found: readonly Discrepancy[];
  /** Whether no more are told. */
  readonly full: boolean;
  /** Compares a charge with the attempt that it belongs to. */
  compare(charge: GatewayCharge, own: OwnAttempt | undefined): void;
  /** Tells of an attempt that the gateway does not list. */
  missing(own: StoredAttempt): void;
}

export function createDifferences(): Differences {
  const found: Discrepancy[] = [];
  const differ = (kind: DiscrepancyKind, gatewayKey: string, paymentId: string, detail: string): void => {
    if (found.length < maxDifferences) found.push(create(DiscrepancySchema, { kind, gatewayKey, paymentId, detail }));
  };
  return {
    found,
    get full() {
      return found.length >= maxDifferences;
    },
    compare: (charge, own) => {
      const { key, amount, refundedUnits, gatewayId, paymentId } = charge;
      if (own === undefined) {
        const detail = `the gateway charged ${formatMoney(amount)} as ${gatewayId}; no such attempt is stored here`;
        differ(DiscrepancyKind.MISSING_HERE, key, paymentId, detail);
        return;
      }
      const ownId = paymentIdOf(own.order_id);
      const ownAmount: Money = { currency: own.currency, units: BigInt(own.units) };
      if (ownAmount.currency !== amount.currency || ownAmount.units !== amount.units) {
        differ(DiscrepancyKind.AMOUNT, key, ownId, `charged ${formatMoney(amount)}, stored here as ${formatMoney(ownAmount)}`);
      }
      const expected = own.status === 'APPROVED' ? BigInt(own.refunded_units) : own.status === 'REVERSED' ? ownAmount.units : undefined;
      if (expected === undefined && isStanding(charge)) {
        differ(DiscrepancyKind.STATE, key, ownId, `charged as ${gatewayId}; the attempt is ${own.status} here`);
      } else if (expected !== undefined && expected !== refundedUnits) {
        const detail = `${refundedUnits} minor units were given back at the gateway, ${expected} as stored here`;
        differ(DiscrepancyKind.STATE, key, ownId, detail);
      }
    },
    missing: (own) => {
      const detail = 'charged as stored here; the gateway does not list it';
      differ(DiscrepancyKind.MISSING_AT_GATEWAY, own.gateway_key, paymentIdOf(own.order_id), detail);
    },
  };
}
