export { createPulsarBroker, type PulsarBroker } from './broker.ts';
export type { PulsarAdapterOptions, PulsarBrokerOptions } from './options.ts';
