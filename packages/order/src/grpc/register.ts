import type { Server } from '@grpc/grpc-js';
import { addRpcService, type GrpcServiceOptions } from '@paystream/core/grpc';
import { type RpcMiddlewareOptions, withRpcMiddleware } from '@paystream/core/rpc';
import type { OrderService } from '../service/port.ts';

/** Options of {@link registerOrderService}: the middleware around each call, and the transport's limits. */
export interface OrderGrpcOptions extends GrpcServiceOptions, RpcMiddlewareOptions {}

/**
 * Adds the order service to a gRPC server of yours, which you bind and shut down. Requests are validated; without
 * `authenticate` everyone may act for every merchant.
 *
 * @example
 * const server = new Server();
 * registerOrderService(server, orders, { authenticate: apiKeys(keys) });
 */
export function registerOrderService(server: Server, service: Pick<OrderService, 'rpc'>, options: OrderGrpcOptions = {}): void {
  addRpcService(server, withRpcMiddleware(service.rpc, options), options);
}
