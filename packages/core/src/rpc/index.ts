/** RPC services behind middleware: validation, authentication, limits, deadlines, metrics; the same for every transport. */
export { type ApiKey, type Authenticator, apiKeys, hashApiKey, type RpcHeaders } from './authenticator.ts';
export { errorCodeOfGrpc, grpcCodeOf, httpStatusOf } from './codes.ts';
export { errorFromRpc } from './from-rpc-error.ts';
export {
  createRpcMiddleware,
  type RpcDeadlines,
  type RpcMiddleware,
  type RpcMiddlewareOptions,
  type RunOptions,
  withRpcMiddleware,
} from './middleware.ts';
export { anonymous, requireMerchant } from './principal.ts';
export type { RpcLimits } from './running-calls.ts';
export { createRequestValidator, type RequestValidator } from './validation.ts';
