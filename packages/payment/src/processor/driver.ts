import { type Clock, type Logger, PaystreamError } from '@paystream/core';
import type { ChargeAnswer, Gateway, LookupAnswer, RefundAnswer } from '../gateway/port.ts';
import { type Attempt, type GatewayCall, type Payment, type PaymentEvent, paymentIdOf, reversalKey } from '../payment/payment.ts';
import type { Decided, PaymentInput } from './decider.ts';
import type { GatewayCallSubject, GatewayCalls } from './gateway-calls.ts';

/** Makes calls to the gateway and has their outcomes stored, and so on until none is left to make. */
export interface Driver {
  /** Begins with a call that the stored payment asks for. Calls `done` when there is nothing more to do. */
  start(payment: Payment, call: GatewayCall, done: () => void): void;
  /** Gives up storing outcomes that cannot be stored: they are looked up at the next start. */
  close(): void;
}

export interface DriverOptions {
  readonly gateway: Gateway;
  readonly calls: GatewayCalls;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a charge may leave: false when others may have taken over what this processor had under way. */
  readonly mayCharge: () => boolean;
  /** Stores what happened; rejects with `UNAVAILABLE` while that cannot be done. */
  readonly record: (input: PaymentInput) => Promise<Decided>;
  /** The same, in a transaction of its own: for what may have to wait for a lock. */
  readonly recordAlone: (input: PaymentInput) => Promise<Decided>;
}

/** Between two tries to store an outcome, in milliseconds. */
const storeAgainMs = 500;

function chargeEvent(attempt: number, answer: ChargeAnswer): PaymentEvent {
  return answer.outcome === 'approved'
    ? { kind: 'approved', attempt, gatewayId: answer.gatewayId }
    : { kind: 'declined', attempt, code: answer.code, retry: answer.retry, gatewayId: answer.gatewayId };
}

function lookupEvent(attempt: number, answer: LookupAnswer, askedAtMs: number): PaymentEvent | undefined {
  if (answer === 'pending') return undefined;
  return answer === 'not-found' ? { kind: 'not-found', attempt, askedAtMs } : chargeEvent(attempt, answer);
}

function reversalEvent(attempt: number, answer: RefundAnswer): PaymentEvent {
  return answer.outcome === 'refunded' ? { kind: 'reversed', attempt } : { kind: 'reversal-declined', attempt, code: answer.code };
}

const subjectOf = ({ orderId, trace }: Payment, key: string): GatewayCallSubject => ({ orderId, key, trace });

export function createDriver(options: DriverOptions): Driver {
  const { gateway, calls, clock, logger, record, recordAlone, mayCharge } = options;
  const closing = new AbortController();

  const store = async (input: PaymentInput): Promise<Decided | undefined> => {
    let write = record;
    for (;;) {
      try {
        return await write(input);
      } catch (error) {
        const failure = PaystreamError.from(error);
        const fields = { orderId: input.orderId, event: input.event.kind, err: failure };
        if (!failure.retryable) {
          logger.error(fields, 'an outcome cannot be stored; the attempt will be looked up');
          return undefined;
        }
        logger.warn(fields, 'an outcome cannot be stored now; trying again');
        write = failure.code === 'ABORTED' ? recordAlone : record;
      }
      try {
        await clock.sleep(storeAgainMs, closing.signal);
      } catch {
        // Closing: the recovery of the next start finds the attempt.
        return undefined;
      }
    }
  };

  const follow = async (known: Payment, event: PaymentEvent | undefined): Promise<void> => {
    let payment = known;
    let happened = event;
    while (happened !== undefined) {
      const decided = await store({ orderId: payment.orderId, event: happened, known: payment });
      if (decided === undefined) return;
      if ('refused' in decided) {
        logger.debug({ orderId: payment.orderId, event: happened.kind, refused: decided.refused }, 'an event changed nothing');
        return;
      }
      payment = decided.payment;
      happened = decided.call === undefined ? undefined : await make(payment, decided.call);
    }
  };

  /** For what nobody waits for. */
  const inBackground = (payment: Payment, work: Promise<void>): Promise<void> =>
    work.catch((err: unknown) => {
      logger.error({ orderId: payment.orderId, err }, 'handling an outcome failed; the attempt will be looked up');
    });

  const charge = async (payment: Payment, attempt: Attempt): Promise<PaymentEvent | undefined> => {
    const { number } = attempt;
    const { amount } = payment;
    const nowMs = clock.now();
    // The process may have stood still since the attempt was stored: by now others may count on it that no call leaves.
    if (amount === undefined || nowMs >= payment.expiresAtMs || nowMs >= attempt.nextAtMs || !mayCharge()) {
      return { kind: 'unanswered', attempt: number };
    }
    const end = await calls.make(
      'charge',
      subjectOf(payment, attempt.gatewayKey),
      (signal) =>
        gateway.charge({
          key: attempt.gatewayKey,
          amount,
          paymentMethod: payment.paymentMethod,
          paymentId: paymentIdOf(payment.orderId),
          orderId: payment.orderId,
          merchantId: payment.merchantId,
          customerId: payment.customerId,
          signal,
        }),
      (answer) => void inBackground(payment, follow(payment, chargeEvent(number, answer))),
    );
    return 'answer' in end ? chargeEvent(number, end.answer) : { kind: 'unanswered', attempt: number };
  };

  const lookup = async (payment: Payment, attempt: Attempt): Promise<PaymentEvent | undefined> => {
    const askedAtMs = clock.now();
    const ask = gateway.lookup?.bind(gateway);
    if (ask === undefined) return undefined;
    const end = await calls.make(
      'lookup',
      subjectOf(payment, attempt.gatewayKey),
      (signal) => ask(attempt.gatewayKey, signal),
      () => undefined,
    );
    return 'answer' in end ? lookupEvent(attempt.number, end.answer, askedAtMs) : undefined;
  };

  const reverse = async (payment: Payment, attempt: Attempt): Promise<PaymentEvent | undefined> => {
    const { number } = attempt;
    const { amount } = payment;
    const giveBack = gateway.refund?.bind(gateway);
    if (giveBack === undefined || amount === undefined) return undefined;
    const key = reversalKey(payment.orderId, number);
    const end = await calls.make(
      'reverse',
      subjectOf(payment, key),
      (signal) => giveBack({ key, chargeKey: attempt.gatewayKey, gatewayId: attempt.gatewayId, amount, signal }),
      (answer) => void inBackground(payment, follow(payment, reversalEvent(number, answer))),
    );
    return 'answer' in end ? reversalEvent(number, end.answer) : { kind: 'reversal-unanswered', attempt: number };
  };

  const make = async (payment: Payment, { call, attempt: number }: GatewayCall): Promise<PaymentEvent | undefined> => {
    const attempt = payment.attempts.find((one) => one.number === number);
    if (attempt === undefined) return undefined;
    return call === 'charge' ? charge(payment, attempt) : call === 'lookup' ? lookup(payment, attempt) : reverse(payment, attempt);
  };

  return {
    start: (payment, call, done) => {
      const work = make(payment, call).then((event) => follow(payment, event));
      void inBackground(payment, work).then(done);
    },
    close: () => closing.abort(),
  };
}
