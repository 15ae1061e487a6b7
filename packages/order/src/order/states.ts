import { OrderState, OrderStateSchema } from '@paystream/core/contracts';

const open: ReadonlySet<OrderState> = new Set<OrderState>([OrderState.PENDING, OrderState.CANCEL_REQUESTED, OrderState.IN_REVIEW]);
const uncharged: ReadonlySet<OrderState> = new Set<OrderState>([OrderState.DECLINED, OrderState.EXPIRED, OrderState.CANCELED]);

/** Whether payment has not decided yet: pending, being cancelled, or with a person. */
export function isOpenState(state: OrderState): boolean {
  return open.has(state);
}

/**
 * Whether payment has decided: what `wait`, `waitOrder` and `watchOrder` wait for. Refunds and disputes may follow a
 * charge; the order was decided all the same.
 */
export function isFinalState(state: OrderState): boolean {
  return state !== OrderState.UNSPECIFIED && !open.has(state);
}

/** Whether it ended without a charge: declined, expired or cancelled. */
export function isUnchargedState(state: OrderState): boolean {
  return uncharged.has(state);
}

const names: ReadonlyMap<number, string> = new Map(OrderStateSchema.values.map((value) => [value.number, value.localName]));

/** The state's name without its prefix: `PAID`. */
export function orderStateName(state: OrderState): string {
  return names.get(state) ?? String(state);
}
