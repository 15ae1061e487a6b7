/** A whole server for orders: gRPC and HTTP, health, reflection, metrics. */
export { createOrderServer, type OrderServerOptions } from './order-server.ts';
