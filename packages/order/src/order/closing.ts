import { OrderState, type TransactionEvent } from '@paystream/core/contracts';
import type { OrderFact } from './standing.ts';

/** An end without a charge. */
export interface Closing {
  readonly state: OrderState;
  readonly reason: string;
  readonly fact: OrderFact;
}

function closing(state: OrderState, reason: string, fact: Omit<OrderFact, 'message'>): Closing {
  return { state, reason, fact: { ...fact, message: reason } };
}

/** The end that an outcome brings to an order; `undefined` for one that does not end it, or not without a charge. */
export function closingOf(outcome: TransactionEvent['outcome']): Closing | undefined {
  switch (outcome.case) {
    case 'declined': {
      const { code, reason, attempts } = outcome.value;
      const why = reason || (code === '' ? 'the charge was declined' : `the charge was declined: ${code}`);
      return closing(OrderState.DECLINED, why, { event: 'order.declined', attributes: { code, attempts: String(attempts) } });
    }
    case 'expired':
      return closing(OrderState.EXPIRED, 'no charge succeeded in time', {
        event: 'order.expired',
        attributes: { attempts: String(outcome.value.attempts) },
      });
    case 'canceled':
      return closing(OrderState.CANCELED, outcome.value.reason || 'cancelled before it was charged', { event: 'order.canceled' });
    default:
      return undefined;
  }
}
