import { type Clock, formatMoney, type Logger, type Money, PaystreamError, type Telemetry, type TraceContext } from '@paystream/core';
import { type BusinessLog, LogLevel } from '@paystream/core/contracts';
import type { Database, Outbox, Transaction } from '@paystream/core/sql';
import type { Gateway, RefundAnswer } from '../gateway/port.ts';
import type { Payment } from '../payment/payment.ts';
import type { PaymentRules } from '../payment/timing.ts';
import type { Alarm } from '../processor/alarm.ts';
import type { Decider } from '../processor/decider.ts';
import type { GatewayCalls } from '../processor/gateway-calls.ts';
import { type Resumed, resume } from '../processor/resume.ts';
import { createWaker } from '../processor/waker.ts';
import type { PaymentStore } from '../store/store.ts';
import { newRefund, type Refund, type RefundEvent, refundTransition } from './refund.ts';
import { createRefundStore, type RefundName } from './store.ts';

/** Asks for money to be given back. */
export interface RefundInput {
  readonly orderId: string;
  /** The caller's id of this request, at most 128 characters: a retry with the same id never gives money back twice. */
  readonly requestId: string;
  /** Default: everything that was not given back yet. */
  readonly amount?: Money | undefined;
}

export interface RefundsOptions {
  readonly database: Database;
  readonly payments: PaymentStore;
  readonly decider: Decider;
  readonly outbox: Outbox;
  readonly log: BusinessLog;
  readonly gateway: Gateway;
  readonly calls: GatewayCalls;
  readonly rules: PaymentRules;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly alarm: Alarm;
  readonly pollMs: number | undefined;
}

/** Gives money back, once for each request. */
export interface Refunds {
  /** Resolves when the gateway has answered, or once its time is up: `UNKNOWN` then, and it goes on by itself. */
  refund(input: RefundInput): Promise<Refund>;
  start(): void;
  /** Waits for calls under way. */
  close(): Promise<void>;
}

function refuse(reason: string, message: string, details: Readonly<Record<string, string>>): never {
  throw new PaystreamError('FAILED_PRECONDITION', message, { reason, details });
}

/** What a new refund of a payment gives back. Throws for one that must not be. */
function amountToRefund(input: RefundInput, payment: Payment | undefined, refunds: readonly Refund[], rules: PaymentRules): Money {
  const { orderId, requestId } = input;
  const details = { orderId, requestId };
  if (payment === undefined)
    throw new PaystreamError('NOT_FOUND', `there is no payment of order "${orderId}"`, { reason: 'UNKNOWN_PAYMENT', details });
  const captured = payment.amount;
  if (captured === undefined || (payment.status !== 'SETTLED' && payment.status !== 'PARTIALLY_REFUNDED')) {
    return refuse('NOT_REFUNDABLE', `the payment of order "${orderId}" is ${payment.status}: there is nothing to give back`, details);
  }
  // What may yet turn out to be given back counts as given back.
  const reserved = refunds.reduce((sum, refund) => (refund.status === 'DECLINED' ? sum : sum + refund.amount.units), 0n);
  const left = captured.units - reserved;
  const amount = input.amount ?? { ...captured, units: left };
  if (amount.currency !== captured.currency || amount.units <= 0n || amount.units > left) {
    const most = formatMoney({ ...captured, units: left });
    return refuse('REFUND_TOO_LARGE', `${formatMoney(amount)} cannot be given back of order "${orderId}": at most ${most} can`, details);
  }
  if (rules.abilities.refunds === 'full' && amount.units !== captured.units) {
    throw new PaystreamError('UNSUPPORTED', 'the gateway gives back whole charges only', { reason: 'PARTIAL_REFUND_UNSUPPORTED', details });
  }
  return amount;
}

export function createRefunds(options: RefundsOptions): Refunds {
  const { database, payments, decider, outbox, log, gateway, calls, rules, clock, logger, telemetry, alarm } = options;
  const store = createRefundStore(database);
  const running = new Set<Promise<unknown>>();
  let closed = false;

  const tell = async (tx: Transaction, payment: Payment, refund: Refund): Promise<void> => {
    const words = {
      STARTED: 'is sent',
      UNKNOWN: 'got no clear answer',
      DECLINED: 'was declined',
      IN_REVIEW: 'needs a person',
      REFUNDED: '',
    };
    // A refund that succeeded is told of as the payment's own change.
    if (refund.status === 'REFUNDED') return;
    const { orderId, operationId, code, status } = refund;
    const fact = {
      event: `payment.refund.${status.toLowerCase()}`,
      message: `a refund of ${formatMoney(refund.amount)} ${words[status]}`,
      level: status === 'IN_REVIEW' ? LogLevel.ERROR : LogLevel.INFO,
      orderId,
      merchantId: payment.merchantId,
      attributes: { operationId, ...(code === '' ? {} : { code }) },
      ...(refund.trace === undefined ? {} : { trace: refund.trace }),
    };
    await outbox.add(tx, [log(fact)]);
    if (status === 'IN_REVIEW') tx.onCommit(alarm);
  };

  const find = async (tx: Transaction, { orderId, requestId }: RefundName): Promise<readonly [Payment, Refund]> => {
    const payment = (await payments.load(tx, [orderId])).get(orderId);
    const refund = (await store.ofOrder(tx, orderId)).find((one) => one.requestId === requestId);
    if (payment !== undefined && refund !== undefined) return [payment, refund];
    // It was stored before, but of several nodes of a database the one that is asked may not show it yet.
    const what = `refund ${requestId} of order ${orderId} was stored, but the database does not show it now`;
    throw new PaystreamError('DATA_LOSS', `${what}; it goes on by itself: ask again with the same request id`, {
      reason: 'REFUND_GONE',
      retryable: true,
    });
  };

  /** Applies an event. Gives the refund after it, and the payment and refund if the call is to be made. */
  const apply = (name: RefundName, event: RefundEvent) =>
    database.transaction(async (tx) => {
      const [payment, stored] = await find(tx, name);
      const before = name.trace === undefined ? stored : { ...stored, trace: name.trace };
      const next = refundTransition(before, event, rules, clock.now());
      if ('refused' in next) return { refund: before, send: false, payment };
      if (!(await store.change(tx, before, next.refund))) {
        throw new PaystreamError('ABORTED', `refund ${name.requestId} of order ${name.orderId} was changed by another process; try again`, {
          reason: 'REFUND_MOVED',
        });
      }
      const { operationId, amount } = before;
      if (event.kind === 'refunded') {
        const [decided] = await decider.apply(tx, [
          { orderId: name.orderId, event: { kind: 'refunded', operationId, units: amount.units }, trace: before.trace },
        ]);
        if (decided === undefined || 'refused' in decided) {
          throw new PaystreamError('INTERNAL', `refund ${operationId} cannot be booked: ${decided?.refused}`, { reason: 'REFUND_REFUSED' });
        }
      }
      await tell(tx, payment, next.refund);
      return { ...next, payment };
    });

  const eventOf = (answer: RefundAnswer): RefundEvent =>
    answer.outcome === 'refunded' ? { kind: 'refunded', gatewayId: answer.gatewayId } : { kind: 'declined', code: answer.code };

  const send = async (payment: Payment, refund: Refund): Promise<Refund> => {
    const giveBack = gateway.refund?.bind(gateway);
    const charged = payment.attempts.find((attempt) => attempt.status === 'APPROVED');
    if (giveBack === undefined || charged === undefined) return refund;
    // The process may have stood still since the refund was stored: by now others may have sent it.
    if (refund.wakeAtMs === undefined || clock.now() >= refund.wakeAtMs) return (await apply(refund, { kind: 'unanswered' })).refund;
    const { operationId: key, amount } = refund;
    const request = { key, chargeKey: charged.gatewayKey, gatewayId: charged.gatewayId, amount };
    const end = await calls.make(
      'refund',
      { orderId: refund.orderId, key, trace: refund.trace },
      (signal) => giveBack({ ...request, signal }),
      (answer) => track(apply(refund, eventOf(answer))),
    );
    if ('failure' in end) return (await apply(refund, { kind: 'unanswered' })).refund;
    return (await apply(refund, eventOf(end.answer))).refund;
  };

  /** For what nobody waits for: what fails is found again when its time comes. */
  const track = (work: Promise<unknown>): void => {
    const tracked = work
      .catch((err: unknown) => logger.warn({ err }, 'the outcome of a refund cannot be stored now'))
      .finally(() => running.delete(tracked));
    running.add(tracked);
  };

  const goOn = async ({ orderId, requestId }: RefundName, step: Resumed): Promise<void> => {
    const next = await apply({ orderId, requestId, trace: step.trace }, { kind: 'due' });
    if (!next.send) return step.end();
    const sent = send(next.payment, next.refund);
    track(sent);
    void sent.then(
      () => step.end(),
      (error: unknown) => step.end(error),
    );
  };

  const handleDue = async (name: RefundName): Promise<boolean> => {
    const { orderId, requestId, trace } = name;
    const step = resume(telemetry, 'refund', orderId, trace);
    try {
      await goOn(name, step);
      return true;
    } catch (error) {
      step.end(error);
      const fields = { orderId, requestId, err: PaystreamError.from(error) };
      logger.warn(fields, 'a refund whose time has come cannot be handled now; trying again');
      return false;
    }
  };

  const waker = createWaker<RefundName>({
    clock,
    logger,
    telemetry,
    kind: 'refund',
    due: store.due,
    nextMs: store.nextWakeMs,
    waiting: store.waiting,
    pollMs: options.pollMs,
    postpone: (name, untilMs, nowMs) => database.transaction((tx) => store.postpone(tx, name, untilMs, nowMs)),
    keyOf: ({ orderId, requestId }) => `${orderId} ${requestId}`,
    handle: async (names) => {
      const failed: RefundName[] = [];
      for (const name of names) if (!(await handleDue(name))) failed.push(name);
      return failed;
    },
    handleAlone: handleDue,
  });

  const traceHere = (): TraceContext | undefined => {
    const here = telemetry.current();
    return here && { traceparent: here.traceparent, tracestate: here.tracestate };
  };

  const begin = (input: RefundInput, trace: TraceContext | undefined) =>
    database.transaction(async (tx) => {
      const { orderId, requestId } = input;
      const payment = (await payments.load(tx, [orderId])).get(orderId);
      const refunds = await store.ofOrder(tx, orderId);
      const earlier = refunds.find((one) => one.requestId === requestId);
      if (earlier !== undefined && payment !== undefined) {
        if (
          input.amount === undefined ||
          (input.amount.units === earlier.amount.units && input.amount.currency === earlier.amount.currency)
        ) {
          return { refund: earlier, payment, isNew: false };
        }
        throw new PaystreamError('ALREADY_EXISTS', `request "${requestId}" gave back ${formatMoney(earlier.amount)} before; use a new id`, {
          reason: 'REQUEST_ID_REUSED',
          details: { orderId, requestId },
        });
      }
      const amount = amountToRefund(input, payment, refunds, rules);
      const before = payment as Payment;
      const refund = { ...newRefund(orderId, requestId, amount, rules, clock.now()), trace };
      // The payment moves on with each refund, so that two of them at once cannot both count on the same money.
      const after = { ...before, version: before.version + 1, updatedAtMs: refund.createdAtMs };
      const [written] = await payments.write(tx, [{ before, after }]);
      if (!written) {
        throw new PaystreamError('ABORTED', `the payment of order ${orderId} was changed meanwhile; try again`, {
          reason: 'PAYMENT_MOVED',
        });
      }
      await store.add(tx, refund);
      await tell(tx, before, refund);
      return { refund, payment: before, isNew: true };
    });

  return {
    refund: async (input) => {
      if (rules.abilities.refunds === 'none') {
        throw new PaystreamError('UNSUPPORTED', `gateway "${gateway.name}" cannot give money back`, { reason: 'REFUNDS_UNSUPPORTED' });
      }
      if (closed) throw new PaystreamError('UNAVAILABLE', 'the payment processor is closed', { reason: 'CLOSED' });
      if (input.requestId === '' || input.requestId.length > 128 || !input.requestId.isWellFormed()) {
        throw new PaystreamError('INVALID_ARGUMENT', 'requestId must have 1 to 128 characters, of well-formed Unicode', {
          reason: 'INVALID_REQUEST_ID',
        });
      }
      const { refund, payment, isNew } = await begin(input, traceHere());
      if (!isNew) return refund;
      waker.arm(refund.wakeAtMs ?? clock.now());
      const sent = send(payment, refund);
      track(sent);
      const ended = await sent;
      if (ended.wakeAtMs !== undefined) waker.arm(ended.wakeAtMs);
      return ended;
    },
    start: waker.start,
    close: async () => {
      closed = true;
      await waker.close();
      await Promise.all(running);
    },
  };
}
