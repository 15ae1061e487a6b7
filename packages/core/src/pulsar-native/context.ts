import type { Client } from 'pulsar-client';
import type { SharedContext } from '../pulsar-adapter/context.ts';
import type { Addon, PulsarNativeAdapterOptions } from './options.ts';

/** What producers, subscriptions and readers of one broker on the addon share. */
export interface NativeContext extends SharedContext {
  readonly addon: Addon;
  readonly client: Client;
  /** The client that readers are made by. */
  readonly readerClient: () => Client;
  readonly producer: NonNullable<PulsarNativeAdapterOptions['producer']>;
  readonly consumer: NonNullable<PulsarNativeAdapterOptions['consumer']>;
}
