import { OrderState } from '@paystream/core/contracts';
import { refused, type Standing, unchanged, type Verdict } from './standing.ts';
import { orderStateName } from './states.ts';

/** What a wish to cancel does to an order: payment, which alone decides, is asked once. */
export function requestCancel(standing: Standing, reason: string, nowMs: number): Verdict {
  const { state } = standing;
  if (state === OrderState.CANCEL_REQUESTED || state === OrderState.CANCELED) return unchanged;
  if (state === OrderState.IN_REVIEW) {
    return refused('ORDER_IN_REVIEW', 'it is not known whether the order was charged; a person has to decide first');
  }
  if (state !== OrderState.PENDING) {
    return refused('ORDER_FINAL', `the order is ${orderStateName(state)} and can no longer be cancelled`);
  }
  return {
    kind: 'changed',
    standing: {
      ...standing,
      state: OrderState.CANCEL_REQUESTED,
      version: standing.version + 1n,
      reason,
      updateMs: Math.max(standing.updateMs, nowMs),
    },
    fact: { event: 'order.cancel_requested', message: reason === '' ? 'cancellation asked for' : `cancellation asked for: ${reason}` },
  };
}
