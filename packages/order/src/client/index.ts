/** Calls an order service over gRPC or Connect. */
export { createOrderClient } from './order-client.ts';
export type { ClientCallOptions, OrderClient, OrderClientOptions, PlaceAndWaitOptions } from './port.ts';
