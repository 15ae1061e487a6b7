/** What adapters of gateways prove themselves by. */
export { type GatewaySubject, gatewayAbilityNames, gatewayCases } from './gateway-cases.ts';
