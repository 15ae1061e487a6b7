/** The order service on a `@grpc/grpc-js` server. */
export { type OrderGrpcOptions, registerOrderService } from './register.ts';
