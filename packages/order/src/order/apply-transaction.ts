import { formatMoney } from '@paystream/core';
import { LogLevel, msFromTimestamp, OrderState, PaymentState, type TransactionEvent } from '@paystream/core/contracts';
import { type Closing, closingOf } from './closing.ts';
import { type OrderFact, refused, type Standing, type Terms, unchanged, type Verdict } from './standing.ts';
import { isOpenState, isUnchargedState, orderStateName } from './states.ts';

type Outcome = TransactionEvent['outcome'];
type Case = NonNullable<Outcome['case']>;

/** The order's state for each state of its payment. */
const stateOf: Readonly<Record<number, OrderState>> = {
  [PaymentState.SETTLED]: OrderState.PAID,
  [PaymentState.DECLINED]: OrderState.DECLINED,
  [PaymentState.EXPIRED]: OrderState.EXPIRED,
  [PaymentState.CANCELED]: OrderState.CANCELED,
  [PaymentState.IN_REVIEW]: OrderState.IN_REVIEW,
  [PaymentState.PARTIALLY_REFUNDED]: OrderState.PARTIALLY_REFUNDED,
  [PaymentState.REFUNDED]: OrderState.REFUNDED,
};

/** The states of the payment that each outcome may leave behind; any for a reversal, which changes none. */
const statesAfter: Readonly<Record<Case, readonly PaymentState[] | 'any'>> = {
  settled: [PaymentState.SETTLED],
  declined: [PaymentState.DECLINED],
  expired: [PaymentState.EXPIRED],
  canceled: [PaymentState.CANCELED],
  parked: [PaymentState.IN_REVIEW],
  refunded: [PaymentState.PARTIALLY_REFUNDED, PaymentState.REFUNDED],
  lateChargeReversed: 'any',
};

const refundable: ReadonlySet<OrderState> = new Set<OrderState>([
  OrderState.PAID,
  OrderState.PARTIALLY_REFUNDED,
  OrderState.DISPUTED,
  // A refund may overtake the news of the charge.
  OrderState.PENDING,
  OrderState.CANCEL_REQUESTED,
  OrderState.IN_REVIEW,
]);

const refundedStates: ReadonlySet<OrderState> = new Set<OrderState>([OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED]);

const longest = 2_000;
/** What others say, for people to read: however long it is, it must not keep news from being stored. */
const bounded = (text: string): string => (text.length <= longest ? text : `${text.slice(0, longest).toWellFormed()}…`);

type Change = Partial<Pick<Standing, 'state' | 'reason' | 'gatewayChargeId' | 'refundedUnits'>>;

function changed(standing: Standing, event: TransactionEvent, change: Change, fact: OrderFact): Verdict {
  return {
    kind: 'changed',
    standing: {
      ...standing,
      ...change,
      reason: bounded(change.reason ?? standing.reason),
      gatewayChargeId: bounded(change.gatewayChargeId ?? standing.gatewayChargeId),
      version: standing.version + 1n,
      paymentVersion: event.version > standing.paymentVersion ? event.version : standing.paymentVersion,
      updateMs: Math.max(standing.updateMs, msFromTimestamp(event.decideTime)),
    },
    fact,
  };
}

/** What is wrong with an event, whatever the order's state. */
function fault(terms: Terms, event: TransactionEvent): Verdict | undefined {
  const { outcome } = event;
  if (event.merchantId !== terms.merchantId) {
    return refused('WRONG_MERCHANT', `order ${terms.orderId} is of merchant "${terms.merchantId}", not "${event.merchantId}"`);
  }
  if (event.version < 1n) return refused('INVALID_VERSION', `version ${event.version} of the payment is below 1`);
  if (outcome.case === undefined) return refused('NO_OUTCOME', 'the event has no outcome that this version knows');
  const states = statesAfter[outcome.case];
  if (states !== 'any' && !states.includes(event.state)) {
    return refused('OUTCOME_MISMATCH', `the outcome "${outcome.case}" does not leave a payment in state ${event.state}`);
  }
  const amount =
    outcome.case === 'settled' ? outcome.value.captured : outcome.case === 'refunded' ? outcome.value.refundedInAll : undefined;
  if (amount === undefined) return undefined;
  const fits = outcome.case === 'settled' ? amount.units === terms.totalUnits : amount.units > 0n && amount.units <= terms.totalUnits;
  if (fits && amount.currency === terms.currency) return undefined;
  return refused(
    'AMOUNT_MISMATCH',
    `${amount.units} ${amount.currency} were ${outcome.case} of an order of ${terms.totalUnits} ${terms.currency} minor units`,
  );
}

function illegal(standing: Standing, outcome: Case): Verdict {
  return refused('ILLEGAL_TRANSITION', `"${outcome}" cannot follow ${orderStateName(standing.state)}`);
}

function paidFact(terms: Terms, gatewayChargeId: string): OrderFact {
  const amount = formatMoney({ currency: terms.currency, units: terms.totalUnits });
  return { event: 'order.paid', message: `paid: ${amount}`, attributes: { gateway_charge_id: gatewayChargeId } };
}

function settle(terms: Terms, standing: Standing, event: TransactionEvent, chargeId: string): Verdict {
  if (!isOpenState(standing.state)) return illegal(standing, 'settled');
  return changed(standing, event, { state: OrderState.PAID, reason: '', gatewayChargeId: chargeId }, paidFact(terms, chargeId));
}

function close(standing: Standing, event: TransactionEvent, outcome: Case, { state, reason, fact }: Closing): Verdict {
  if (!isOpenState(standing.state)) return illegal(standing, outcome);
  return changed(standing, event, { state, reason }, fact);
}

const joined = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('; ');
const ofLateCharge = (why: string): string => `a person has to decide about a late charge: ${why}`;

/** Leaves an order to a person. One that was closed stays closed: it is a late charge, not given back, that the person has to see to. */
function park(standing: Standing, event: TransactionEvent, why: string): Verdict {
  const fact = { event: 'order.in_review', level: LogLevel.WARN } as const;
  if (isOpenState(standing.state)) {
    const reason = why || 'a person has to decide';
    return changed(standing, event, { state: OrderState.IN_REVIEW, reason }, { ...fact, message: reason });
  }
  if (!isUnchargedState(standing.state)) return illegal(standing, 'parked');
  const note = ofLateCharge(why || 'it could not be given back');
  return changed(standing, event, { reason: joined(standing.reason, note) }, { ...fact, message: note });
}

function refund(terms: Terms, standing: Standing, event: TransactionEvent, units: bigint): Verdict {
  if (!refundable.has(standing.state) || units < standing.refundedUnits) return illegal(standing, 'refunded');
  const state = event.state === PaymentState.REFUNDED ? OrderState.REFUNDED : OrderState.PARTIALLY_REFUNDED;
  const amount = formatMoney({ currency: terms.currency, units });
  return changed(
    standing,
    event,
    { state, reason: '', refundedUnits: units },
    {
      event: state === OrderState.REFUNDED ? 'order.refunded' : 'order.partially_refunded',
      message: `given back so far: ${amount}`,
      attributes: { refunded_units: String(units), currency: terms.currency },
    },
  );
}

function reverse(standing: Standing, event: TransactionEvent, chargeId: string): Verdict {
  const reviewed = event.state === PaymentState.IN_REVIEW && isUnchargedState(standing.state);
  const state = reviewed ? standing.state : (stateOf[event.state] ?? standing.state);
  if (state !== standing.state && !isOpenState(standing.state)) return illegal(standing, 'lateChargeReversed');
  const note = 'a charge that came through too late was given back';
  const charged = state === OrderState.PAID || refundedStates.has(state);
  const reason = charged ? standing.reason : joined(standing.reason, note);
  return changed(
    standing,
    event,
    { state, reason },
    { event: 'order.late_charge_reversed', message: note, level: LogLevel.WARN, attributes: { gateway_charge_id: chargeId } },
  );
}

/** News that later news has overtaken: most of it is known by that, but not what it left out. */
function catchUp(terms: Terms, standing: Standing, event: TransactionEvent): Verdict {
  const { outcome } = event;
  const closing = closingOf(outcome);
  if (closing !== undefined) {
    // Payment was closed before it was left to a person, so that is about a late charge.
    if (standing.state !== OrderState.IN_REVIEW) return unchanged;
    return changed(standing, event, { state: closing.state, reason: joined(closing.reason, ofLateCharge(standing.reason)) }, closing.fact);
  }
  // A charge that its refund has overtaken: the state stands, the charge's id was missing.
  if (outcome.case !== 'settled' || standing.gatewayChargeId !== '' || !refundedStates.has(standing.state)) return unchanged;
  const chargeId = outcome.value.gatewayChargeId;
  return chargeId === '' ? unchanged : changed(standing, event, { gatewayChargeId: chargeId }, paidFact(terms, chargeId));
}

/**
 * What an event of payment does to an order. Total: every pair of standing and event has a verdict. Payment's events are
 * versioned snapshots, so one that is no newer than what was seen changes nothing.
 */
export function applyTransaction(terms: Terms, standing: Standing, event: TransactionEvent): Verdict {
  const wrong = fault(terms, event);
  if (wrong !== undefined) return wrong;
  if (event.version <= standing.paymentVersion) return catchUp(terms, standing, event);
  const { outcome } = event;
  const closing = closingOf(outcome);
  if (outcome.case !== undefined && closing !== undefined) return close(standing, event, outcome.case, closing);
  switch (outcome.case) {
    case 'settled':
      return settle(terms, standing, event, outcome.value.gatewayChargeId);
    case 'parked':
      return park(standing, event, outcome.value.reason);
    case 'refunded':
      return refund(terms, standing, event, outcome.value.refundedInAll?.units ?? terms.totalUnits);
    case 'lateChargeReversed':
      return reverse(standing, event, outcome.value.gatewayChargeId);
    default:
      return refused('NO_OUTCOME', 'the event has no outcome that this version knows');
  }
}
