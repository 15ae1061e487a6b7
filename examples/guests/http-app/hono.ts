import { createConnectRouter } from '@connectrpc/connect';
import { createFetchHandler } from '@connectrpc/connect/protocol';
import { orderRoutes } from '@paystream/order/connect';
import type { Hono } from 'hono';
import { type Orders, openOrders } from '../orders.ts';

/** Adds the order service to a Hono app of yours, or to anything else that takes a `Request` and gives a `Response`. */
export async function addOrders(app: Hono): Promise<Orders> {
  const orders = await openOrders();
  const router = createConnectRouter();
  orderRoutes(orders.service)(router);
  for (const handler of router.handlers) {
    const answer = createFetchHandler(handler);
    app.all(handler.requestPath, (context) => answer(context.req.raw));
  }
  return orders;
}
