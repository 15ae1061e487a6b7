import { fastifyConnectPlugin } from '@connectrpc/connect-fastify';
import { orderRoutes } from '@paystream/order/connect';
import type { FastifyInstance } from 'fastify';
import { type Orders, openOrders } from '../orders.ts';

/** Adds the order service to a Fastify app of yours. */
export async function addOrders(app: FastifyInstance): Promise<Orders> {
  const orders = await openOrders();
  await app.register(fastifyConnectPlugin, { routes: orderRoutes(orders.service) });
  return orders;
}
