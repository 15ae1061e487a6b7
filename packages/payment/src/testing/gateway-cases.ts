import assert from 'node:assert/strict';
import type { ConformanceCase } from '@paystream/core/testing';
import type { ChargeAnswer, ChargeRequest, Gateway, GatewayCharge } from '../gateway/port.ts';

/** What the cases are run against. */
export interface GatewaySubject {
  readonly gateway: Gateway;
  /** Tokens with which the gateway's test mode does what their names say. */
  readonly methods: {
    readonly approved: string;
    readonly declined: string;
    /** One that gets no answer within a second. Needed for the ability `silence`. */
    readonly unanswered?: string;
  };
  /** Made part of every key. Give a new one for each run where the gateway remembers keys from one run to the next. Default: empty. */
  readonly runId?: string;
  /** The currency to charge in. Default: `EUR`. */
  readonly currency?: string;
  /** Lets so many milliseconds pass: `(ms) => systemClock.sleep(ms)`, or a virtual clock's `advance`. */
  wait(ms: number): Promise<void>;
}

/**
 * The names of what a gateway can do, as the cases ask for them: `idempotent`, `lookup`, `refunds`, `partial-refunds`, `list`.
 * Add `silence` where the subject has a method that gets no answer.
 */
export function gatewayAbilityNames(gateway: Pick<Gateway, 'abilities'>): readonly string[] {
  const { idempotent, lookup, refunds, listCharges } = gateway.abilities;
  return [
    ...(idempotent ? ['idempotent'] : []),
    ...(lookup ? ['lookup'] : []),
    ...(refunds === 'none' ? [] : ['refunds']),
    ...(refunds === 'partial' ? ['partial-refunds'] : []),
    ...(listCharges ? ['list'] : []),
  ];
}

let made = 0;

function request(subject: GatewaySubject, change: Partial<ChargeRequest> = {}): ChargeRequest {
  made += 1;
  const name = `conformance-${subject.runId ?? ''}-${made}`;
  return {
    key: `${name}:charge:1`,
    amount: { currency: subject.currency ?? 'EUR', units: 1_999n },
    paymentMethod: subject.methods.approved,
    paymentId: name,
    orderId: name,
    merchantId: 'conformance',
    customerId: 'conformance',
    signal: new AbortController().signal,
    ...change,
  };
}

function approved(answer: ChargeAnswer): string {
  assert.equal(answer.outcome, 'approved');
  assert(answer.outcome === 'approved' && answer.gatewayId !== '', 'an approved charge needs the id of the gateway');
  return answer.gatewayId;
}

const signal = (): AbortSignal => new AbortController().signal;

async function find(subject: GatewaySubject, key: string): Promise<GatewayCharge | undefined> {
  const { listCharges } = subject.gateway;
  assert(listCharges !== undefined, 'abilities.listCharges is set but there is no listCharges');
  for await (const page of listCharges.call(subject.gateway, { startMs: 0, endMs: Number.MAX_SAFE_INTEGER })) {
    const found = page.filter((charge) => charge.key === key);
    assert(found.length <= 1, `the list has ${found.length} charges with key ${key}`);
    if (found[0] !== undefined) return found[0];
  }
  return undefined;
}

async function refund(subject: GatewaySubject, charge: ChargeRequest, gatewayId: string, key: string, units: bigint) {
  const { refund: giveBack } = subject.gateway;
  assert(giveBack !== undefined, 'abilities.refunds is set but there is no refund');
  const amount = { ...charge.amount, units };
  return giveBack.call(subject.gateway, { key, chargeKey: charge.key, gatewayId, amount, signal: signal() });
}

async function look(subject: GatewaySubject, key: string) {
  const { lookup } = subject.gateway;
  assert(lookup !== undefined, 'abilities.lookup is set but there is no lookup');
  return lookup.call(subject.gateway, key, signal());
}

/**
 * The promises of the `Gateway` port, for every adapter to keep.
 *
 * @example
 * ```ts
 * const abilities = gatewayAbilityNames(acmeGateway);
 * for (const bound of bindCases(gatewayCases, { abilities, open: async () => subject, close: async () => undefined })) {
 *   it.skipIf(bound.skip !== undefined)(bound.name, () => bound.run());
 * }
 * ```
 */
export const gatewayCases: readonly ConformanceCase<GatewaySubject>[] = [
  {
    name: 'approves a charge and gives it an id',
    run: async (subject) => {
      approved(await subject.gateway.charge(request(subject)));
    },
  },
  {
    name: 'declines as a value, with a code and what it allows',
    run: async (subject) => {
      const answer = await subject.gateway.charge(request(subject, { paymentMethod: subject.methods.declined }));
      assert(answer.outcome === 'declined', 'a decline is an answer, not a throw');
      assert.notEqual(answer.code, '');
      assert(['never', 'later', 'other-method'].includes(answer.retry), `"${answer.retry}" is no class of declines`);
    },
  },
  {
    name: 'takes keys of 255 characters',
    run: async (subject) => {
      const charge = request(subject);
      approved(await subject.gateway.charge({ ...charge, key: charge.key.padEnd(255, 'x') }));
    },
  },
  {
    name: 'makes two charges of two keys',
    run: async (subject) => {
      const first = approved(await subject.gateway.charge(request(subject)));
      const second = approved(await subject.gateway.charge(request(subject)));
      assert.notEqual(first, second);
    },
  },
  {
    name: 'gives the first result again for a key that it has seen, one after another and at once',
    needs: ['idempotent'],
    run: async (subject) => {
      const charge = request(subject);
      const answers = await Promise.all([subject.gateway.charge(charge), subject.gateway.charge(charge)]);
      answers.push(await subject.gateway.charge({ ...charge, signal: signal() }));
      assert.equal(new Set(answers.map(approved)).size, 1);
    },
  },
  {
    name: 'stays with a decline for a key that it has seen',
    needs: ['idempotent'],
    run: async (subject) => {
      const charge = request(subject, { paymentMethod: subject.methods.declined });
      assert.equal((await subject.gateway.charge(charge)).outcome, 'declined');
      assert.equal((await subject.gateway.charge(charge)).outcome, 'declined');
    },
  },
  {
    name: 'refuses a key that it has seen with another amount',
    needs: ['idempotent'],
    run: async (subject) => {
      const charge = request(subject);
      approved(await subject.gateway.charge(charge));
      await assert.rejects(subject.gateway.charge({ ...charge, amount: { ...charge.amount, units: 2_999n } }));
    },
  },
  {
    name: 'finds a charge by its key once the visibility delay is over',
    needs: ['lookup'],
    run: async (subject) => {
      const charge = request(subject);
      const gatewayId = approved(await subject.gateway.charge(charge));
      await subject.wait(subject.gateway.abilities.visibilityDelayMs);
      assert.deepEqual(await look(subject, charge.key), { outcome: 'approved', gatewayId });
      assert.deepEqual(await look(subject, charge.key), { outcome: 'approved', gatewayId });
    },
  },
  {
    name: 'says that it does not know a key that it does not know',
    needs: ['lookup'],
    run: async (subject) => {
      assert.equal(await look(subject, request(subject).key), 'not-found');
    },
  },
  {
    name: 'never finds a declined charge approved',
    needs: ['lookup'],
    run: async (subject) => {
      const charge = request(subject, { paymentMethod: subject.methods.declined });
      await subject.gateway.charge(charge);
      await subject.wait(subject.gateway.abilities.visibilityDelayMs);
      const found = await look(subject, charge.key);
      assert(found === 'not-found' || (found !== 'pending' && found.outcome === 'declined'), `found ${JSON.stringify(found)}`);
    },
  },
  {
    name: 'gives a charge back once for each key',
    needs: ['refunds'],
    run: async (subject) => {
      const charge = request(subject);
      const gatewayId = approved(await subject.gateway.charge(charge));
      const key = `${charge.key}:refund`;
      const first = await refund(subject, charge, gatewayId, key, charge.amount.units);
      assert.equal(first.outcome, 'refunded');
      if (!subject.gateway.abilities.idempotent) return;
      assert.deepEqual(await refund(subject, charge, gatewayId, key, charge.amount.units), first);
    },
  },
  {
    name: 'gives parts back, and never more than was charged',
    needs: ['partial-refunds'],
    run: async (subject) => {
      const charge = request(subject);
      const gatewayId = approved(await subject.gateway.charge(charge));
      assert.equal((await refund(subject, charge, gatewayId, `${charge.key}:1`, 999n)).outcome, 'refunded');
      assert.equal((await refund(subject, charge, gatewayId, `${charge.key}:2`, 1_001n)).outcome, 'declined');
      assert.equal((await refund(subject, charge, gatewayId, `${charge.key}:3`, 1_000n)).outcome, 'refunded');
    },
  },
  {
    name: 'lists what it charged, with the key that it was charged with',
    needs: ['list'],
    run: async (subject) => {
      const charge = request(subject);
      const gatewayId = approved(await subject.gateway.charge(charge));
      await subject.wait(subject.gateway.abilities.visibilityDelayMs);
      const found = await find(subject, charge.key);
      assert.deepEqual(found?.amount, charge.amount);
      assert.equal(found?.gatewayId, gatewayId);
      assert.equal(found?.refundedUnits, 0n);
    },
  },
  {
    name: 'does not list what it declined',
    needs: ['list'],
    run: async (subject) => {
      const charge = request(subject, { paymentMethod: subject.methods.declined });
      await subject.gateway.charge(charge);
      assert.equal(await find(subject, charge.key), undefined);
    },
  },
  {
    name: 'gives up a call without an answer as soon as its signal is aborted',
    needs: ['silence'],
    run: async (subject) => {
      const { unanswered } = subject.methods;
      assert(unanswered !== undefined, 'the ability silence needs methods.unanswered');
      const controller = new AbortController();
      const call = subject.gateway.charge(request(subject, { paymentMethod: unanswered, signal: controller.signal }));
      const outcome = call.then(
        () => 'answered',
        () => 'rejected',
      );
      await subject.wait(1_000);
      controller.abort(new Error('the time is up'));
      assert.equal(await outcome, 'rejected');
    },
  },
];
