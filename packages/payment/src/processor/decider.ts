import type { Clock, Telemetry, TraceContext } from '@paystream/core';
import type { BusinessLog, PaystreamTopics } from '@paystream/core/contracts';
import { type Outbox, type OutboxEvent, outboxEvent, type Transaction } from '@paystream/core/sql';
import { transition } from '../payment/machine.ts';
import { type GatewayCall, type Payment, type PaymentEvent, paymentIdOf, type Refusal, type Transition } from '../payment/payment.ts';
import type { PaymentRules } from '../payment/timing.ts';
import type { PaymentChange, PaymentStore } from '../store/store.ts';
import type { Alarm } from './alarm.ts';
import { factOf } from './facts.ts';
import { toTransactionEvent } from './messages.ts';

/** Something that happened to a payment. */
export interface PaymentInput {
  readonly orderId: string;
  readonly event: PaymentEvent;
  /** The payment as it was stored last, as far as the caller knows: spares reading it if that is still so. */
  readonly known?: Payment | undefined;
  /** The trace that it and what follows from it belong to. Default: that of `known`, or else of the stored payment. */
  readonly trace?: TraceContext | undefined;
}

/** What became of an input: the new state, and the call to be made once the transaction has committed; or why nothing did. */
export type Decided = { readonly payment: Payment; readonly call: GatewayCall | undefined } | Refusal;

/** Decides, in a transaction: reads payments, applies the rules, writes payments, events and log entries. */
export interface Decider {
  /** Inputs of one payment are applied in their order, whoever else changes payments meanwhile. */
  apply(tx: Transaction, inputs: readonly PaymentInput[]): Promise<readonly Decided[]>;
}

export interface DeciderOptions {
  readonly store: PaymentStore;
  readonly outbox: Outbox;
  readonly topics: Pick<PaystreamTopics, 'transactions'>;
  readonly log: BusinessLog;
  readonly rules: PaymentRules;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly alarm: Alarm;
  /** Whether nobody else writes to the database. */
  readonly exclusive: boolean;
}

interface Step extends PaymentChange {
  readonly index: number;
  readonly taken: Transition;
}

export function createDecider(options: DeciderOptions): Decider {
  const { store, outbox, topics, log, rules, clock, telemetry, alarm, exclusive } = options;
  telemetry.count('paystream_payment_decisions_total', { decision: 'parked' }, 0);

  const tell = (events: OutboxEvent[], before: Payment | undefined, taken: Transition): void => {
    const { payment, decision } = taken;
    if (decision !== undefined) {
      const event = toTransactionEvent(payment, decision);
      const eventId = `${paymentIdOf(payment.orderId)}:${payment.version}`;
      events.push(outboxEvent(topics.transactions, event, { ...payment.trace, eventId, occurredAtMs: payment.updatedAtMs }));
    }
    const fact = factOf(before, taken);
    if (fact !== undefined) events.push(log(payment.trace === undefined ? fact : { ...fact, trace: payment.trace }));
  };

  const count = (steps: readonly Step[]): void => {
    for (const { taken } of steps) {
      if (taken.decision !== undefined) telemetry.count('paystream_payment_decisions_total', { decision: taken.decision.kind });
      if (taken.alarm !== undefined) alarm();
    }
  };

  const follow = (
    before: Payment | undefined,
    { event, known, trace = known?.trace }: PaymentInput,
    nowMs: number,
  ): Transition | Refusal => {
    const taken = transition(before, event, rules, nowMs);
    if (trace === undefined || 'refused' in taken || taken.payment.trace === trace) return taken;
    return { ...taken, payment: { ...taken.payment, trace } };
  };

  /** Takes what is known for granted: right unless somebody else moved the payment since. */
  const guess = (inputs: readonly PaymentInput[], nowMs: number, rest: number[]): Step[] => {
    const steps: Step[] = [];
    const seen = new Set<string>();
    inputs.forEach((input, index) => {
      const { orderId, event, known } = input;
      const taken = seen.has(orderId) || (known === undefined && event.kind !== 'placed') ? undefined : follow(known, input, nowMs);
      seen.add(orderId);
      if (taken === undefined || 'refused' in taken) rest.push(index);
      else steps.push({ index, before: known, after: taken.payment, taken });
    });
    return steps;
  };

  /** Reads the payments, and applies their inputs one after another. */
  const reckon = async (
    tx: Transaction,
    inputs: readonly PaymentInput[],
    indexes: readonly number[],
    nowMs: number,
    results: Decided[],
  ): Promise<Step[]> => {
    const ids = new Set(indexes.map((index) => (inputs[index] as PaymentInput).orderId));
    const stored = await store.load(tx, [...ids]);
    const current = new Map(stored);
    const steps: Step[] = [];
    for (const index of indexes) {
      const input = inputs[index] as PaymentInput;
      const { orderId } = input;
      const before = current.get(orderId);
      const taken = follow(before, input, nowMs);
      if ('refused' in taken) results[index] = taken;
      else {
        current.set(orderId, taken.payment);
        steps.push({ index, before, after: taken.payment, taken });
      }
    }
    const changes = [...ids]
      .map((orderId) => ({ before: stored.get(orderId), after: current.get(orderId) }))
      .filter((change): change is PaymentChange => change.after !== undefined && change.after !== change.before);
    const written = await store.write(tx, changes);
    // Payments that were there are locked. One that was not may have been added since: then it is read again.
    const lost = new Set(changes.filter((_, position) => !written[position]).map(({ after }) => after.orderId));
    if (lost.size === 0) return steps;
    const again = indexes.filter((index) => lost.has((inputs[index] as PaymentInput).orderId));
    const won = steps.filter(({ after }) => !lost.has(after.orderId));
    return [...won, ...(await reckon(tx, inputs, again, nowMs, results))];
  };

  return {
    apply: async (tx, inputs) => {
      const nowMs = clock.now();
      const results = new Array<Decided>(inputs.length);
      const rest: number[] = [];
      const guessed = guess(inputs, nowMs, rest);
      // Always in the same order, so that two writers seldom wait for each other.
      if (!exclusive) guessed.sort((a, b) => (a.after.orderId < b.after.orderId ? -1 : 1));
      const written = guessed.length === 0 ? [] : await store.write(tx, guessed);
      const steps = guessed.filter((step, position) => {
        if (!written[position]) rest.push(step.index);
        return written[position];
      });
      if (rest.length > 0) {
        rest.sort((a, b) => a - b);
        steps.push(...(await reckon(tx, inputs, rest, nowMs, results)));
        // Events are told in the order in which they came, whatever the order of writing.
        if (!exclusive) steps.sort((a, b) => a.index - b.index);
      }
      const events: OutboxEvent[] = [];
      for (const { index, before, taken } of steps) {
        tell(events, before, taken);
        results[index] = { payment: taken.payment, call: taken.call };
      }
      if (events.length > 0) await outbox.add(tx, events);
      tx.onCommit(() => count(steps));
      return results;
    },
  };
}
