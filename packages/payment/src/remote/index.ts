/** A gateway in a process of its own: served there, and called from payment processors. */
export { gatewayRpcService } from './gateway-rpc-service.ts';
export { createRemoteGateway, type RemoteGatewayOptions } from './remote-gateway.ts';
