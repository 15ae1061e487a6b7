import { create } from '@bufbuild/protobuf';
import type { Money } from '@paystream/core';
import {
  AttemptSchema,
  AttemptState,
  type Payment as PaymentMessage,
  PaymentSchema,
  PaymentState,
  type TransactionEvent,
  TransactionEventSchema,
  timestampFromMs,
  toMoneyMessage,
} from '@paystream/core/contracts';
import type { AttemptStatus, Decision, Payment, PaymentStatus } from '../payment/payment.ts';
import { paymentIdOf } from '../payment/payment.ts';

const paymentStates: Readonly<Record<PaymentStatus, PaymentState>> = {
  PENDING: PaymentState.PENDING,
  SETTLED: PaymentState.SETTLED,
  DECLINED: PaymentState.DECLINED,
  EXPIRED: PaymentState.EXPIRED,
  CANCELED: PaymentState.CANCELED,
  IN_REVIEW: PaymentState.IN_REVIEW,
  PARTIALLY_REFUNDED: PaymentState.PARTIALLY_REFUNDED,
  REFUNDED: PaymentState.REFUNDED,
};

const attemptStates: Readonly<Record<AttemptStatus, AttemptState>> = {
  STARTED: AttemptState.STARTED,
  UNKNOWN: AttemptState.UNKNOWN,
  APPROVED: AttemptState.APPROVED,
  DECLINED: AttemptState.DECLINED,
  NOT_CHARGED: AttemptState.NOT_CHARGED,
  // Charged until it is known to be given back.
  REVERSING: AttemptState.APPROVED,
  REVERSED: AttemptState.REVERSED,
};

/** A payment as others see it. */
export function toPaymentMessage(payment: Payment): PaymentMessage {
  const { amount, refundedUnits } = payment;
  return create(PaymentSchema, {
    paymentId: paymentIdOf(payment.orderId),
    orderId: payment.orderId,
    merchantId: payment.merchantId,
    state: paymentStates[payment.status],
    version: BigInt(payment.version),
    ...(amount === undefined ? {} : { amount: toMoneyMessage(amount) }),
    ...(amount === undefined || refundedUnits === 0n ? {} : { refunded: toMoneyMessage({ ...amount, units: refundedUnits }) }),
    attempts: payment.attempts.map((attempt) =>
      create(AttemptSchema, {
        number: attempt.number,
        gatewayKey: attempt.gatewayKey,
        state: attemptStates[attempt.status],
        gatewayChargeId: attempt.gatewayId,
        declineCode: attempt.declineCode,
        createTime: timestampFromMs(attempt.createdAtMs),
        updateTime: timestampFromMs(attempt.updatedAtMs),
      }),
    ),
    reason: payment.reason,
    createTime: timestampFromMs(payment.createdAtMs),
    updateTime: timestampFromMs(payment.updatedAtMs),
    expireTime: timestampFromMs(payment.expiresAtMs),
  });
}

type Outcome = NonNullable<Parameters<typeof create<typeof TransactionEventSchema>>[1]>['outcome'];

function outcomeOf(payment: Payment, decision: Decision, amount: Money | undefined): NonNullable<Outcome> {
  const part = (units: bigint) => (amount === undefined ? {} : { amount: toMoneyMessage({ ...amount, units }) }).amount;
  switch (decision.kind) {
    case 'settled': {
      const { operationId, gatewayId, attempt } = decision;
      const captured = part(amount?.units ?? 0n);
      return { case: 'settled', value: { operationId, gatewayChargeId: gatewayId, attempt, ...(captured && { captured }) } };
    }
    case 'declined':
      return { case: 'declined', value: { code: decision.code, reason: decision.reason, attempts: decision.attempts } };
    case 'expired':
      return { case: 'expired', value: { attempts: decision.attempts } };
    case 'canceled':
      return { case: 'canceled', value: { reason: decision.reason } };
    case 'parked':
      return { case: 'parked', value: { reason: decision.reason } };
    case 'refunded': {
      const refunded = part(decision.units);
      const refundedInAll = part(payment.refundedUnits);
      return {
        case: 'refunded',
        value: { operationId: decision.operationId, ...(refunded && { refunded }), ...(refundedInAll && { refundedInAll }) },
      };
    }
    case 'late-charge-reversed': {
      const reversed = part(amount?.units ?? 0n);
      return { case: 'lateChargeReversed', value: { gatewayChargeId: decision.gatewayId, ...(reversed && { amount: reversed }) } };
    }
  }
}

/** A decision as it is published. */
export function toTransactionEvent(payment: Payment, decision: Decision): TransactionEvent {
  const { amount } = payment;
  return create(TransactionEventSchema, {
    paymentId: paymentIdOf(payment.orderId),
    orderId: payment.orderId,
    merchantId: payment.merchantId,
    state: paymentStates[payment.status],
    version: BigInt(payment.version),
    ...(amount === undefined ? {} : { amount: toMoneyMessage(amount) }),
    decideTime: timestampFromMs(payment.updatedAtMs),
    outcome: outcomeOf(payment, decision, amount),
  });
}
