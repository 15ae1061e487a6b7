/** The order service over HTTP by way of Connect: JSON, Connect, gRPC-Web, in any HTTP framework. */
export { type OrderRoutesOptions, orderRoutes } from './routes.ts';
