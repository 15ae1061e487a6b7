/** RPC services over HTTP by way of Connect: JSON, Connect, gRPC-Web, in any HTTP framework. */
export { type RpcRoutesOptions, rpcRoutes } from './routes.ts';
