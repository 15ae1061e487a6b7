/** RPC services on `@grpc/grpc-js` servers, with the standard health and reflection services. */
export { type HealthServiceOptions, healthService } from './health.ts';
export { addReflection } from './reflection.ts';
export { addRpcService, defaultMaxRequestBytes, type GrpcServiceOptions } from './service.ts';
