import type { Order } from '@paystream/core/contracts';
import { orderOf } from '../store/order-record.ts';
import type { OrderStore } from '../store/order-store.ts';
import { unknownOrder } from './cancel-order.ts';

/** Reads an order of a merchant. Throws `NOT_FOUND` / `UNKNOWN_ORDER` if there is none, or it is another merchant's. */
export function orderReader(store: OrderStore): (orderId: string, merchantId: string) => Promise<Order> {
  return async (orderId, merchantId) => {
    const record = (await store.find(store.reader, [orderId])).get(orderId);
    if (record === undefined || record.terms.merchantId !== merchantId) throw unknownOrder(orderId, merchantId);
    return orderOf(record);
  };
}
