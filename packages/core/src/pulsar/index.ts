export { createPulsarBroker, type PulsarBroker } from './broker.ts';
export type { PulsarAdapterOptions, PulsarBrokerOptions, PulsarProducerOptions } from './options.ts';
