/** A whole server for RPC services: gRPC and HTTP, health, reflection, metrics, plain routes. */
export type { ListenAddress } from './address.ts';
export type { HttpRequest, HttpResponse, HttpRoute } from './http-route.ts';
export { createRpcServer, type GrpcServing, type HttpServing, type RpcServer, type RpcServerOptions } from './server.ts';
