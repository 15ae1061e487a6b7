import { type Health, PaystreamError, type Running } from '@paystream/core';
import { createRpcServer, type RpcServer, type RpcServerOptions } from '@paystream/core/server';
import type { OrderService } from '../service/port.ts';

/** Options of {@link createOrderServer}: those of a server, and the service. */
export interface OrderServerOptions extends Omit<RpcServerOptions, 'services' | 'health'> {
  /** The service; not closed by the server. */
  readonly service: Pick<OrderService, 'rpc'> & Running;
  /** More services to serve beside it. Default: none. */
  readonly services?: RpcServerOptions['services'] | undefined;
  /** How the process is. Default: how the order service is. */
  readonly health?: RpcServerOptions['health'] | undefined;
}

async function healthOf(service: Running): Promise<Health> {
  try {
    await service.check?.();
    return { ready: true, components: [{ name: 'order', state: 'ready' }] };
  } catch (error) {
    return { ready: false, components: [{ name: 'order', state: 'degraded', detail: PaystreamError.from(error).message }] };
  }
}

/**
 * Serves orders over gRPC, with health and reflection, and over HTTP: Connect, gRPC-Web, JSON, `/healthz`, `/readyz`.
 * Throws as `createRpcServer` does. Close it before the service.
 *
 * @example
 * const server = await createOrderServer({ service: orders, grpc: { port: 50051 }, http: { port: 3000 } });
 */
export function createOrderServer(options: OrderServerOptions): Promise<RpcServer> {
  const { service, services = [], health = () => healthOf(service), ...serving } = options;
  return createRpcServer({ ...serving, services: [service.rpc, ...services], health });
}
