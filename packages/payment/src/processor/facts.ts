import { formatMoney } from '@paystream/core';
import { type BusinessFact, LogLevel } from '@paystream/core/contracts';
import type { Decision, Payment, Transition } from '../payment/payment.ts';

type Told = Pick<BusinessFact, 'event' | 'message'> & { readonly level?: LogLevel; readonly attributes?: Record<string, string> };

const inWords = (payment: Payment): string => (payment.amount === undefined ? 'an unknown amount' : formatMoney(payment.amount));

function tellDecision(payment: Payment, decision: Decision): Told {
  switch (decision.kind) {
    case 'settled': {
      const attributes = { attempt: String(decision.attempt), gatewayChargeId: decision.gatewayId, operationId: decision.operationId };
      return { event: 'payment.settled', message: `charged ${inWords(payment)}`, attributes };
    }
    case 'declined':
      return {
        event: 'payment.declined',
        message: decision.reason,
        attributes: { code: decision.code, attempts: String(decision.attempts) },
      };
    case 'expired':
      return { event: 'payment.expired', message: payment.reason, attributes: { attempts: String(decision.attempts) } };
    case 'canceled':
      return { event: 'payment.canceled', message: `cancelled: ${decision.reason}` };
    case 'parked':
      return { event: 'payment.parked', message: `a person has to decide: ${decision.reason}`, level: LogLevel.ERROR };
    case 'refunded': {
      const attributes = { operationId: decision.operationId, units: String(decision.units), refundedUnits: String(payment.refundedUnits) };
      return { event: 'payment.refunded', message: `gave back ${decision.units} minor units of ${inWords(payment)}`, attributes };
    }
    case 'late-charge-reversed': {
      const message = `gave back a charge of ${inWords(payment)} that must not have been made`;
      return { event: 'payment.late_charge_reversed', message, level: LogLevel.WARN, attributes: { gatewayChargeId: decision.gatewayId } };
    }
  }
}

/** The attempt that a transition changed or added. */
function changedAttempt(before: Payment | undefined, after: Payment) {
  return after.attempts.find((attempt, index) => attempt !== before?.attempts[index]);
}

function tell(before: Payment | undefined, { payment, decision, call, alarm }: Transition): Told | undefined {
  if (decision !== undefined) return tellDecision(payment, decision);
  if (alarm !== undefined) return { event: 'payment.alarm', message: alarm, level: LogLevel.ERROR };
  const attempt = changedAttempt(before, payment);
  const old = before?.attempts.find((one) => one.number === attempt?.number);
  if (attempt === undefined || old?.status === attempt.status) {
    if (before?.cancelReason === payment.cancelReason) return undefined;
    const message = `cancellation asked for: ${payment.cancelReason}; the attempt under way decides`;
    return { event: 'payment.cancel_requested', message };
  }
  const attributes = { attempt: String(attempt.number), gatewayKey: attempt.gatewayKey };
  switch (attempt.status) {
    case 'STARTED': {
      const again = old !== undefined;
      const message = `attempt ${attempt.number} to charge ${inWords(payment)} ${again ? 'is sent again' : 'starts'}`;
      return { event: again ? 'payment.attempt.resent' : 'payment.attempt.started', message, attributes };
    }
    case 'UNKNOWN': {
      const next = call?.call === 'lookup' ? 'is looked up' : 'will be looked up';
      const message = `attempt ${attempt.number} got no clear answer and ${next}`;
      return { event: 'payment.attempt.unknown', message, level: LogLevel.WARN, attributes };
    }
    case 'DECLINED': {
      const message = `attempt ${attempt.number} was declined: ${attempt.declineCode}`;
      return { event: 'payment.attempt.declined', message, attributes: { ...attributes, code: attempt.declineCode } };
    }
    case 'REVERSING': {
      const message = `attempt ${attempt.number} turned out to be charged too late and is given back`;
      return { event: 'payment.reversal.started', message, level: LogLevel.WARN, attributes };
    }
    default:
      return {
        event: `payment.attempt.${attempt.status.toLowerCase()}`,
        message: `attempt ${attempt.number} is ${attempt.status}`,
        attributes,
      };
  }
}

/** What a transition is to the business; `undefined` if it only planned a next step. */
export function factOf(before: Payment | undefined, transition: Transition): BusinessFact | undefined {
  const told = tell(before, transition);
  if (told === undefined) return undefined;
  const { orderId, merchantId } = transition.payment;
  return { ...told, orderId, merchantId };
}
