import type { ConnectRouter } from '@connectrpc/connect';
import { type RpcRoutesOptions, rpcRoutes } from '@paystream/core/connect';
import { type RpcMiddlewareOptions, withRpcMiddleware } from '@paystream/core/rpc';
import type { OrderService } from '../service/port.ts';

/** Options of {@link orderRoutes}: the middleware around each call, and the transport's limits. */
export interface OrderRoutesOptions extends RpcRoutesOptions, RpcMiddlewareOptions {}

/**
 * The routes of the order service, for Fastify, Express, Hono or bare `node:http`. Requests are validated; without
 * `authenticate` everyone may act for every merchant.
 *
 * @example
 * createServer(connectNodeAdapter({ routes: orderRoutes(orders) })).listen(3000);
 */
export function orderRoutes(service: Pick<OrderService, 'rpc'>, options: OrderRoutesOptions = {}): (router: ConnectRouter) => void {
  return rpcRoutes([withRpcMiddleware(service.rpc, options)], options);
}
