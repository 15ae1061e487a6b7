import { LogLevel, OrderState, PaymentState, type TransactionEvent } from '@paystream/core/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refunded, settled, transaction } from '../testing/fixtures.ts';
import { applyTransaction } from './apply-transaction.ts';
import type { Standing, Terms } from './standing.ts';
import { isFinalState, isOpenState } from './states.ts';

const terms: Terms = { orderId: 'o-1', merchantId: 'm-1', currency: 'EUR', totalUnits: 900n };
const placed: Standing = {
  state: OrderState.PENDING,
  version: 1n,
  paymentVersion: 0n,
  reason: '',
  gatewayChargeId: '',
  refundedUnits: 0n,
  updateMs: 0,
};
const cancelRequested: Standing = { ...placed, state: OrderState.CANCEL_REQUESTED, version: 2n };

const declined = { case: 'declined', value: { code: 'insufficient_funds', reason: '', attempts: 3 } } as const;
const expired = { case: 'expired', value: { attempts: 2 } } as const;
const canceled = { case: 'canceled', value: { reason: 'changed my mind' } } as const;
const parked = { case: 'parked', value: { reason: 'the gateway cannot say' } } as const;
const reversed = { case: 'lateChargeReversed', value: { gatewayChargeId: 'ch-9', amount: { currency: 'EUR', units: 900n } } } as const;

function play(events: readonly TransactionEvent[], from: Standing = placed): { standing: Standing; facts: string[]; refusals: string[] } {
  let standing = from;
  const facts: string[] = [];
  const refusals: string[] = [];
  for (const event of events) {
    const verdict = applyTransaction(terms, standing, event);
    if (verdict.kind === 'refused') refusals.push(verdict.reason);
    if (verdict.kind !== 'changed') continue;
    standing = verdict.standing;
    facts.push(verdict.fact.event);
  }
  return { standing, facts, refusals };
}

describe('what payment decides', () => {
  it.each([
    ['paid', settled(900n), OrderState.PAID, ''],
    ['declined', declined, OrderState.DECLINED, 'the charge was declined: insufficient_funds'],
    ['expired', expired, OrderState.EXPIRED, 'no charge succeeded in time'],
    ['canceled', canceled, OrderState.CANCELED, 'changed my mind'],
    ['in_review', parked, OrderState.IN_REVIEW, 'the gateway cannot say'],
  ] as const)('is what the order says: %s', (name, outcome, state, reason) => {
    for (const from of [placed, cancelRequested]) {
      const { standing, facts } = play([transaction(terms, 1, outcome)], from);
      expect(standing).toMatchObject({ state, reason, version: from.version + 1n, paymentVersion: 1n });
      expect(facts).toEqual([`order.${name}`]);
    }
  });

  it('holds a charge that was first although a cancellation was asked for', () => {
    expect(play([transaction(terms, 2, settled(900n))], cancelRequested).standing).toMatchObject({
      state: OrderState.PAID,
      gatewayChargeId: 'ch-1',
      reason: '',
    });
  });

  it('may follow a review', () => {
    const { facts } = play([transaction(terms, 1, parked), transaction(terms, 2, settled(900n))]);
    expect(facts).toEqual(['order.in_review', 'order.paid']);
  });

  it('tells partial refunds, then the whole one', () => {
    const { standing, facts } = play([
      transaction(terms, 1, settled(900n)),
      transaction(terms, 2, refunded(300n), PaymentState.PARTIALLY_REFUNDED),
      transaction(terms, 3, refunded(900n), PaymentState.REFUNDED),
    ]);
    expect(facts).toEqual(['order.paid', 'order.partially_refunded', 'order.refunded']);
    expect(standing).toMatchObject({ state: OrderState.REFUNDED, refundedUnits: 900n, gatewayChargeId: 'ch-1' });
  });

  it('keeps charge id and log entry of a charge that its refund has overtaken', () => {
    const { standing, facts } = play([
      transaction(terms, 2, refunded(300n), PaymentState.PARTIALLY_REFUNDED),
      transaction(terms, 1, settled(900n)),
      transaction(terms, 1, settled(900n)),
    ]);
    expect(facts).toEqual(['order.partially_refunded', 'order.paid']);
    expect(standing).toMatchObject({ state: OrderState.PARTIALLY_REFUNDED, refundedUnits: 300n, gatewayChargeId: 'ch-1', version: 3n });
  });

  it('leaves an expired order expired when a late charge is given back, and says so', () => {
    const { standing, facts } = play([transaction(terms, 1, expired), transaction(terms, 2, reversed, PaymentState.EXPIRED)]);
    expect(standing.state).toBe(OrderState.EXPIRED);
    expect(standing.reason).toContain('given back');
    expect(facts).toEqual(['order.expired', 'order.late_charge_reversed']);
  });

  describe('a late charge that cannot be given back', () => {
    const refused = { case: 'parked', value: { reason: 'the gateway refuses to give the late charge back: too_old' } } as const;
    const told = 'a person has to decide about a late charge: the gateway refuses to give the late charge back: too_old';

    it.each([
      ['declined', declined, OrderState.DECLINED, 'the charge was declined: insufficient_funds'],
      ['expired', expired, OrderState.EXPIRED, 'no charge succeeded in time'],
      ['canceled', canceled, OrderState.CANCELED, 'changed my mind'],
    ] as const)('is told with an order that ended otherwise, whichever news is first: %s', (name, closing, state, why) => {
      const news = [transaction(terms, 1, closing), transaction(terms, 2, refused)];
      for (const [events, facts] of [
        [news, [`order.${name}`, 'order.in_review']],
        [news.toReversed(), ['order.in_review', `order.${name}`]],
      ] as const) {
        const played = play(events);
        expect(played.refusals).toEqual([]);
        expect(played.standing).toMatchObject({ state, reason: `${why}; ${told}`, version: 3n, paymentVersion: 2n });
        expect(played.facts).toEqual(facts);
      }
    });

    it('warns whoever reads the log', () => {
      const { standing } = play([transaction(terms, 1, expired)]);
      expect(applyTransaction(terms, standing, transaction(terms, 2, refused))).toMatchObject({
        fact: { event: 'order.in_review', message: told, level: LogLevel.WARN },
      });
    });

    it('is told to be given back if it was in the end', () => {
      const { standing, facts, refusals } = play([
        transaction(terms, 1, expired),
        transaction(terms, 2, refused),
        transaction(terms, 3, reversed, PaymentState.IN_REVIEW),
      ]);
      expect(refusals).toEqual([]);
      expect(standing).toMatchObject({ state: OrderState.EXPIRED, paymentVersion: 3n });
      expect(standing.reason).toBe(`no charge succeeded in time; ${told}; a charge that came through too late was given back`);
      expect(facts).toEqual(['order.expired', 'order.in_review', 'order.late_charge_reversed']);
    });
  });
});

describe('what cannot be is refused with a reason', () => {
  it.each([
    ['a charge of an expired order', [transaction(terms, 1, expired), transaction(terms, 2, settled(900n))], 'ILLEGAL_TRANSITION'],
    ['a review of a paid order', [transaction(terms, 1, settled(900n)), transaction(terms, 2, parked)], 'ILLEGAL_TRANSITION'],
    ['a decline of a paid order', [transaction(terms, 1, settled(900n)), transaction(terms, 2, declined)], 'ILLEGAL_TRANSITION'],
    [
      'a refund of a declined order',
      [transaction(terms, 1, declined), transaction(terms, 2, refunded(1n), PaymentState.REFUNDED)],
      'ILLEGAL_TRANSITION',
    ],
    ['a charge of another amount', [transaction(terms, 1, settled(901n))], 'AMOUNT_MISMATCH'],
    ['a charge in another currency', [transaction(terms, 1, settled(900n, 'USD'))], 'AMOUNT_MISMATCH'],
    ['a refund above the total', [transaction(terms, 1, refunded(901n), PaymentState.REFUNDED)], 'AMOUNT_MISMATCH'],
    ['an outcome that does not fit the state', [transaction(terms, 1, settled(900n), PaymentState.DECLINED)], 'OUTCOME_MISMATCH'],
    ['an event without an outcome', [transaction(terms, 1, { case: undefined })], 'NO_OUTCOME'],
    ["another merchant's event", [transaction({ ...terms, merchantId: 'm-2' }, 1, expired)], 'WRONG_MERCHANT'],
    ['a version below 1', [transaction(terms, 0, expired)], 'INVALID_VERSION'],
  ])('%s', (_, events, reason) => {
    expect(play(events).refusals).toEqual([reason]);
  });
});

const outcomes = fc.oneof(
  fc.constantFrom(declined, expired, canceled, parked, reversed, { case: undefined } as const),
  fc.bigInt({ min: 0n, max: 1_000n }).map((units) => settled(units)),
  fc.bigInt({ min: 0n, max: 1_000n }).map((units) => refunded(units)),
);
const events = fc
  .tuple(fc.integer({ min: 0, max: 6 }), outcomes, fc.option(fc.constantFrom(...Object.values(PaymentState))))
  .map(([version, outcome, state]) => transaction(terms, version, outcome, state ?? undefined));
const standings = fc.record({
  state: fc.constantFrom(...Object.values(OrderState)),
  version: fc.bigInt({ min: 1n, max: 9n }),
  paymentVersion: fc.bigInt({ min: 0n, max: 6n }),
  reason: fc.constantFrom('', 'why'),
  gatewayChargeId: fc.constantFrom('', 'ch-1'),
  refundedUnits: fc.bigInt({ min: 0n, max: 900n }),
  updateMs: fc.nat(),
});

/** A history that payment can have: a decision, then refunds, or late charges that are given back or cannot be. */
const histories = fc
  .tuple(
    fc.boolean(),
    fc.constantFrom('settled', 'declined', 'expired', 'canceled'),
    fc.uniqueArray(fc.integer({ min: 1, max: 900 }), { maxLength: 4 }),
    fc.array(fc.constantFrom('reversed', 'parked'), { maxLength: 3 }),
  )
  .map(([review, decision, refunds, late]) => {
    const list: TransactionEvent[] = [];
    const next = (outcome: Parameters<typeof transaction>[2], state?: PaymentState): void => {
      list.push(transaction(terms, list.length + 1, outcome, state));
    };
    if (review) next(parked);
    if (decision === 'settled') {
      next(settled(900n));
      for (const units of refunds.toSorted((a, b) => a - b)) {
        next(refunded(BigInt(units)), units === 900 ? PaymentState.REFUNDED : PaymentState.PARTIALLY_REFUNDED);
      }
      return list;
    }
    const outcome = { declined, expired, canceled }[decision as 'declined' | 'expired' | 'canceled'];
    next(outcome);
    for (const end of late) {
      if (end === 'parked') next(parked);
      else next(reversed, list.at(-1)?.state);
    }
    return list;
  });

describe('for every standing and event', () => {
  it('there is a verdict: versions only grow, refusals have reasons, what is final stays decided', () => {
    fc.assert(
      fc.property(standings, events, (standing, event) => {
        const verdict = applyTransaction(terms, standing, event);
        if (verdict.kind === 'refused') {
          expect(verdict.reason).not.toBe('');
          expect(verdict.message).not.toBe('');
          return;
        }
        if (verdict.kind === 'unchanged') return;
        const after = verdict.standing;
        expect(after.version).toBe(standing.version + 1n);
        expect(after.paymentVersion >= standing.paymentVersion).toBe(true);
        expect(after.refundedUnits >= standing.refundedUnits || isOpenState(standing.state)).toBe(true);
        if (isFinalState(standing.state)) expect(isOpenState(after.state)).toBe(false);
        const uncharged: readonly OrderState[] = [OrderState.DECLINED, OrderState.EXPIRED, OrderState.CANCELED];
        if (uncharged.includes(standing.state)) expect(after.state).toBe(standing.state);
        expect(applyTransaction(terms, after, event).kind).not.toBe('changed');
      }),
      { numRuns: 2_000 },
    );
  });

  it('an order ends the same however often and in whatever order the news comes', () => {
    fc.assert(
      fc.property(
        histories.chain((history) => fc.tuple(fc.constant(history), fc.array(fc.nat({ max: history.length - 1 }), { maxLength: 12 }))),
        ([history, picks]) => {
          const inOrder = play(history).standing;
          const mixed = [...picks.map((pick) => history[pick] as TransactionEvent), ...history.toReversed()];
          const { standing, facts } = play(mixed);
          expect(standing.state).toBe(inOrder.state);
          expect(standing.refundedUnits).toBe(inOrder.refundedUnits);
          expect(standing.gatewayChargeId).toBe(inOrder.gatewayChargeId);
          expect(standing.paymentVersion).toBe(inOrder.paymentVersion);
          for (const once of ['order.paid', 'order.refunded', 'order.expired', 'order.declined', 'order.canceled']) {
            expect(facts.filter((fact) => fact === once).length).toBeLessThanOrEqual(1);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
