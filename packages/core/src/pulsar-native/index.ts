export { createPulsarNativeBroker, type PulsarNativeBroker } from './broker.ts';
export type { Addon, PulsarNativeAdapterOptions, PulsarNativeBrokerOptions } from './options.ts';
