import { money } from '@paystream/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GatewayAbilities } from '../gateway/port.ts';
import { transition } from './machine.ts';
import { type Payment, type PaymentEvent, type PlacedOrder, type Transition, wakeAt } from './payment.ts';
import { paymentPolicy } from './policy.ts';
import type { PaymentRules } from './timing.ts';

const abilities: GatewayAbilities = {
  idempotent: true,
  idempotencyWindowMs: 86_400_000,
  visibilityDelayMs: 2_000,
  lookup: true,
  refunds: 'partial',
  listCharges: true,
  capture: 'with-authorization',
};
const rulesFor = (change: Partial<GatewayAbilities> = {}): PaymentRules => ({
  policy: paymentPolicy(),
  abilities: { ...abilities, ...change },
});
const start = 1_000_000;
const order: PlacedOrder = {
  orderId: 'o1',
  merchantId: 'm1',
  customerId: 'c1',
  paymentMethod: 'pm_card_visa',
  amount: money('EUR', 1_000n),
  expiresAtMs: start + 120_000,
};

function ok(result: ReturnType<typeof transition>): Transition {
  if ('refused' in result) throw new Error(`refused: ${result.refused}`);
  return result;
}
const closed = new Set(['SETTLED', 'DECLINED', 'EXPIRED', 'CANCELED', 'PARTIALLY_REFUNDED', 'REFUNDED']);
const uncharged = new Set(['DECLINED', 'EXPIRED', 'CANCELED']);

const number = fc.constantFrom(1, 1, 1, 2, 2, 3, 4);
const event: fc.Arbitrary<PaymentEvent> = fc.oneof(
  fc.record({ kind: fc.constant('placed' as const), order: fc.constant(order) }),
  fc.record({
    kind: fc.constant('cancel-requested' as const),
    orderId: fc.constant('o1'),
    merchantId: fc.constant('m1'),
    reason: fc.constant('changed my mind'),
  }),
  fc.record({ kind: fc.constant('approved' as const), attempt: number, gatewayId: fc.constant('ch') }),
  fc.record({
    kind: fc.constant('declined' as const),
    attempt: number,
    code: fc.constant('insufficient_funds'),
    retry: fc.constantFrom('never' as const, 'later' as const, 'later' as const, 'other-method' as const),
  }),
  fc.record({ kind: fc.constant('unanswered' as const), attempt: number }),
  fc.record({ kind: fc.constant('not-found' as const), attempt: number, askedAtMs: fc.constant(0) }),
  fc.record({ kind: fc.constant('due' as const), gone: fc.constantFrom(undefined, '', 'other') }),
  fc.record({ kind: fc.constant('reversed' as const), attempt: number }),
  fc.record({ kind: fc.constant('reversal-unanswered' as const), attempt: number }),
  fc.record({ kind: fc.constant('reversal-declined' as const), attempt: number, code: fc.constant('too_old') }),
  fc.record({ kind: fc.constant('refunded' as const), operationId: fc.constant('r1'), units: fc.bigInt({ min: -1n, max: 1_200n }) }),
);
const step = fc.record({ event, waitMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 200_000 })), toWake: fc.boolean() });
const anyAbilities = fc.record({
  idempotent: fc.boolean(),
  lookup: fc.boolean(),
  visibilityDelayMs: fc.constantFrom(0, 2_000, 60_000),
  idempotencyWindowMs: fc.constantFrom(15_000, 86_400_000),
  refunds: fc.constantFrom('partial' as const, 'none' as const),
});

describe('payment machine', () => {
  it('keeps every rule of money whatever happens, in whatever order, with whatever gateway', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), anyAbilities, (steps, change) => {
        const rules = rulesFor(change);
        let now = start;
        let payment: Payment | undefined;
        let ended = false;
        for (const { event: planned, waitMs, toWake } of [
          { event: { kind: 'placed', order } as const, waitMs: 0, toWake: false },
          ...steps,
        ]) {
          const wake = payment === undefined ? undefined : wakeAt(payment);
          now = toWake && wake !== undefined ? Math.max(now, wake) : now + waitMs;
          const given = planned.kind === 'not-found' ? { ...planned, askedAtMs: now } : planned;
          const before: Payment | undefined = payment;
          const result = transition(before, given, rules, now);
          if ('refused' in result) {
            expect(result.refused).not.toBe('');
            // A payment whose time has come must move, or it would be woken for ever.
            if (given.kind === 'due' && wake !== undefined) expect(wake).toBeGreaterThan(now);
            continue;
          }
          const after = result.payment;
          payment = after;
          expect(after.version).toBe((before?.version ?? 0) + 1);
          const held = after.attempts.filter((attempt) => attempt.status === 'APPROVED');
          if (rules.abilities.refunds !== 'none') expect(held.length).toBeLessThanOrEqual(1);
          if (uncharged.has(after.status)) {
            expect(held).toEqual([]);
            expect(after.attempts.filter((attempt) => attempt.status === 'STARTED' || attempt.status === 'UNKNOWN')).toEqual([]);
          }
          if (after.status === 'SETTLED') expect(held.length).toBeGreaterThanOrEqual(1);
          // Nothing is decided while an attempt may still turn out either way.
          if (closed.has(after.status))
            expect(after.attempts.some(({ status }) => status === 'STARTED' || status === 'UNKNOWN')).toBe(false);
          if (before !== undefined && closed.has(before.status) && after.status !== before.status) {
            // Closed is closed, but for refunds, and for a late charge that stays with a person.
            if (after.status === 'IN_REVIEW') expect(uncharged.has(before.status)).toBe(true);
            else expect(['PARTIALLY_REFUNDED', 'REFUNDED']).toContain(after.status);
          }
          // The world was told that nothing is charged: it hears of late charges only, whoever has to see to them.
          if (ended && result.decision !== undefined) expect(['parked', 'late-charge-reversed']).toContain(result.decision.kind);
          ended ||= uncharged.has(after.status);
          if (result.call?.call === 'charge') {
            expect(after.status).toBe('PENDING');
            expect(after.cancelReason).toBeUndefined();
            expect(now).toBeLessThan(after.expiresAtMs);
            const sent = result.call.attempt;
            expect(
              after.attempts
                .filter((attempt) => attempt.number !== sent)
                .every((attempt) => attempt.status === 'DECLINED' || attempt.status === 'REVERSED'),
            ).toBe(true);
            expect(after.attempts.length).toBeLessThanOrEqual(3);
            const again = before?.attempts.some((attempt) => attempt.number === sent) ?? false;
            if (again) expect(rules.abilities.idempotent).toBe(true);
          }
          expect(after.refundedUnits).toBeLessThanOrEqual(1_000n);
          if (after.status === 'PENDING') expect(wakeAt(after)).toBeDefined();
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('gives back the first of two charges that a contradictory gateway made', () => {
    const rules = rulesFor();
    const again = { kind: 'declined', attempt: 1, code: 'try_later', retry: 'later' } as const;
    const first = ok(transition(undefined, { kind: 'placed', order }, rules, start)).payment;
    const second = ok(transition(ok(transition(first, again, rules, start)).payment, { kind: 'due' }, rules, start + 30_000)).payment;
    const late = ok(transition(second, { kind: 'approved', attempt: 1, gatewayId: 'ch1' }, rules, start + 31_000));
    expect(late).toMatchObject({ call: { call: 'reverse', attempt: 1 }, payment: { status: 'PENDING' } });
    const settled = ok(transition(late.payment, { kind: 'approved', attempt: 2, gatewayId: 'ch2' }, rules, start + 32_000));
    expect(settled).toMatchObject({ decision: { kind: 'settled', attempt: 2 }, payment: { status: 'SETTLED' } });
    expect(ok(transition(settled.payment, { kind: 'reversed', attempt: 1 }, rules, start + 33_000)).decision).toEqual({
      kind: 'late-charge-reversed',
      gatewayId: 'ch1',
    });
  });

  it('gives back a second late charge although the first could not be given back', () => {
    const rules = rulesFor();
    const declined = (attempt: number) => ({ kind: 'declined', attempt, code: 'try_later', retry: 'later' }) as const;
    const late = (attempt: number) => ({ kind: 'approved', attempt, gatewayId: `ch${attempt}` }) as const;
    let payment = ok(transition(undefined, { kind: 'placed', order }, rules, start)).payment;
    payment = ok(transition(payment, declined(1), rules, start)).payment;
    payment = ok(transition(payment, { kind: 'due' }, rules, start + 30_000)).payment;
    payment = ok(transition(payment, { kind: 'unanswered', attempt: 2 }, rules, start + 30_001)).payment;
    const gone = { kind: 'not-found', attempt: 2, askedAtMs: start + 130_000 } as const;
    payment = ok(transition(payment, gone, rules, start + 130_000)).payment;
    expect(payment.status).toBe('EXPIRED');
    payment = ok(transition(payment, late(2), rules, start + 140_000)).payment;
    payment = ok(transition(payment, { kind: 'reversal-declined', attempt: 2, code: 'too_old' }, rules, start + 140_001)).payment;
    expect(payment.status).toBe('IN_REVIEW');
    const second = ok(transition(payment, late(1), rules, start + 150_000));
    expect(second).toMatchObject({ call: { call: 'reverse', attempt: 1 }, payment: { status: 'IN_REVIEW' } });
    expect(second.decision).toBeUndefined();
  });

  it('begins no other attempt before a charge that must not stand was given back', () => {
    const rules = rulesFor();
    const declined = (attempt: number) => ({ kind: 'declined', attempt, code: 'try_later', retry: 'later' }) as const;
    let payment = ok(transition(undefined, { kind: 'placed', order }, rules, start)).payment;
    payment = ok(transition(payment, declined(1), rules, start)).payment;
    payment = ok(transition(payment, { kind: 'due' }, rules, start + 30_000)).payment;
    payment = ok(transition(payment, { kind: 'approved', attempt: 1, gatewayId: 'ch1' }, rules, start + 30_001)).payment;
    payment = ok(transition(payment, { kind: 'reversal-unanswered', attempt: 1 }, rules, start + 30_002)).payment;
    payment = ok(transition(payment, declined(2), rules, start + 30_003)).payment;
    for (let nowMs = start + 30_004; payment.status === 'PENDING'; nowMs = wakeAt(payment) as number) {
      const next = transition(payment, { kind: 'due' }, rules, nowMs);
      if ('refused' in next) continue;
      expect(next.call?.call).not.toBe('charge');
      payment = next.payment;
    }
    expect(payment).toMatchObject({ status: 'EXPIRED', attempts: [{ status: 'REVERSING' }, { status: 'DECLINED' }] });
  });

  it('gives every attempt a key of its own that never changes', () => {
    const rules = rulesFor();
    const first = ok(transition(undefined, { kind: 'placed', order }, rules, start));
    const again = { kind: 'declined', attempt: 1, code: 'insufficient_funds', retry: 'later' } as const;
    const waiting = ok(transition(first.payment, again, rules, start + 5)).payment;
    const second = ok(transition(waiting, { kind: 'due' }, rules, start + 30_005)).payment;
    expect(second.attempts.map((attempt) => attempt.gatewayKey)).toEqual(['pay_o1:charge:1', 'pay_o1:charge:2']);
  });

  it('expires an order that waited too long without charging it', () => {
    const late = ok(transition(undefined, { kind: 'placed', order }, rulesFor(), order.expiresAtMs));
    expect(late.payment).toMatchObject({ status: 'EXPIRED', attempts: [] });
    expect(late.call).toBeUndefined();
  });

  it('does not trust "not found" before the gateway must know', () => {
    const rules = rulesFor();
    const first = ok(transition(undefined, { kind: 'placed', order }, rules, start)).payment;
    const unknown = ok(transition(first, { kind: 'unanswered', attempt: 1 }, rules, start + 100)).payment;
    const early = ok(
      transition(
        ok(transition(unknown, { kind: 'due' }, rules, start + 1_100)).payment,
        { kind: 'not-found', attempt: 1, askedAtMs: start + 1_100 },
        rules,
        start + 1_100,
      ),
    );
    expect(early.call).toBeUndefined();
    expect(wakeAt(early.payment)).toBe(start + 2_100);
    const later = ok(transition(early.payment, { kind: 'not-found', attempt: 1, askedAtMs: start + 2_100 }, rules, start + 2_101));
    expect(later.call).toEqual({ call: 'charge', attempt: 1 });
    expect(later.payment.attempts).toHaveLength(1);
  });

  it('parks what a gateway without look-up and idempotency leaves open', () => {
    const rules = rulesFor({ idempotent: false, lookup: false });
    const first = ok(transition(undefined, { kind: 'placed', order }, rules, start)).payment;
    const parked = ok(transition(first, { kind: 'unanswered', attempt: 1 }, rules, start + 1));
    expect(parked.payment.status).toBe('IN_REVIEW');
    expect(parked.decision).toMatchObject({ kind: 'parked' });
    expect(wakeAt(parked.payment)).toBeUndefined();
  });

  it('never sends again to a gateway that would charge twice', () => {
    const rules = rulesFor({ idempotent: false });
    const first = ok(transition(undefined, { kind: 'placed', order }, rules, start)).payment;
    const unknown = ok(transition(first, { kind: 'unanswered', attempt: 1 }, rules, start + 1)).payment;
    const parked = ok(transition(unknown, { kind: 'not-found', attempt: 1, askedAtMs: start + 60_000 }, rules, start + 60_000));
    expect(parked.payment.status).toBe('IN_REVIEW');
    expect(parked.call).toBeUndefined();
    const found = ok(transition(parked.payment, { kind: 'approved', attempt: 1, gatewayId: 'ch' }, rules, start + 90_000));
    expect(found.payment.status).toBe('SETTLED');
  });

  it('gives back a charge that turns up after the payment was closed', () => {
    const rules = rulesFor();
    const first = ok(transition(undefined, { kind: 'placed', order }, rules, start)).payment;
    const unknown = ok(transition(first, { kind: 'unanswered', attempt: 1 }, rules, start + 1)).payment;
    const expired = ok(transition(unknown, { kind: 'not-found', attempt: 1, askedAtMs: start + 130_000 }, rules, start + 130_000)).payment;
    expect(expired.status).toBe('EXPIRED');
    const late = ok(transition(expired, { kind: 'approved', attempt: 1, gatewayId: 'ch' }, rules, start + 300_000));
    expect(late).toMatchObject({ call: { call: 'reverse', attempt: 1 }, payment: { status: 'EXPIRED' } });
    const reversed = ok(transition(late.payment, { kind: 'reversed', attempt: 1 }, rules, start + 300_001));
    expect(reversed.decision).toEqual({ kind: 'late-charge-reversed', gatewayId: 'ch' });
    expect(wakeAt(reversed.payment)).toBeUndefined();
  });

  /** Makes look-ups that find nothing out, until the time of one comes that is later than `untilMs`. Gives when each was made. */
  function lookUp(from: Payment, rules: PaymentRules, untilMs: number): { readonly payment: Payment; readonly asked: readonly number[] } {
    let payment = from;
    const asked: number[] = [];
    for (let now = wakeAt(payment); now !== undefined && now <= untilMs; now = wakeAt(payment)) {
      const result = ok(transition(payment, { kind: 'due' }, rules, now));
      expect(result.call?.call).toBe('lookup');
      asked.push((now - start) / 1_000);
      payment = result.payment;
    }
    return { payment, asked };
  }
  function unknown(rules: PaymentRules): Payment {
    const placed = ok(transition(undefined, { kind: 'placed', order }, rules, start)).payment;
    return ok(transition(placed, { kind: 'unanswered', attempt: 1 }, rules, start)).payment;
  }

  it('looks up at 1 s, 5 s, 30 s and then each 30 s while the payment is not decided', () => {
    const rules = rulesFor();
    expect(lookUp(unknown(rules), rules, start + 180_000).asked).toEqual([1, 5, 30, 60, 90, 120, 150, 180]);
  });

  it('looks up at the planned growing distances once the payment is closed, however often it was looked up before', () => {
    const rules = rulesFor();
    const { payment } = lookUp(unknown(rules), rules, start + 600_000);
    const gone = { kind: 'not-found', attempt: 1, askedAtMs: start + 600_000 } as const;
    const expired = ok(transition(payment, gone, rules, start + 600_000)).payment;
    expect(expired.status).toBe('EXPIRED');
    expect(lookUp(expired, rules, Number.POSITIVE_INFINITY).asked).toEqual([601, 3_600, 86_400]);
  });

  it('looks up at the planned growing distances what is left to a person', () => {
    const rules = rulesFor({ idempotent: false });
    const gone = { kind: 'not-found', attempt: 1, askedAtMs: start + 20_000 } as const;
    const parked = ok(transition(unknown(rules), gone, rules, start + 20_000)).payment;
    expect(parked.status).toBe('IN_REVIEW');
    expect(lookUp(parked, rules, start + 86_400_000).asked).toEqual([21, 22, 30, 300, 3_600, 86_400]);
  });

  it('looks up no sooner than the first of the delays, and as often as the policy says while the payment is not decided', () => {
    const slow = { abilities, policy: paymentPolicy({ lookupDelaysMs: [60_000, 600_000] }) };
    expect(lookUp(unknown(slow), slow, start + 200_000).asked).toEqual([60, 120, 180]);
    const spared = { abilities, policy: paymentPolicy({ pendingLookupMs: 100_000 }) };
    expect(lookUp(unknown(spared), spared, start + 250_000).asked).toEqual([1, 5, 30, 130, 230]);
    expect(() => paymentPolicy({ pendingLookupMs: 0 })).toThrow('pendingLookupMs');
  });
});
