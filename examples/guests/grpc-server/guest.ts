import type { Server } from '@grpc/grpc-js';
import { registerOrderService } from '@paystream/order/grpc';
import { type Orders, openOrders } from '../orders.ts';

/** Adds the order service to a gRPC server of yours. You bind it, with your credentials, and you shut it down. */
export async function addOrders(server: Server): Promise<Orders> {
  const orders = await openOrders();
  registerOrderService(server, orders.service);
  return orders;
}
