import { expressConnectMiddleware } from '@connectrpc/connect-express';
import { orderRoutes } from '@paystream/order/connect';
import type { Express } from 'express';
import { type Orders, openOrders } from '../orders.ts';

/** Adds the order service to an Express app of yours. */
export async function addOrders(app: Express): Promise<Orders> {
  const orders = await openOrders();
  app.use(expressConnectMiddleware({ routes: orderRoutes(orders.service) }));
  return orders;
}
