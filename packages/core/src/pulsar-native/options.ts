import type * as pulsarClient from 'pulsar-client';
import type { Client, ClientConfig, ConsumerConfig, ProducerConfig } from 'pulsar-client';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../logger/port.ts';

/** What of the package `pulsar-client` is used. */
export type Addon = Pick<typeof pulsarClient, 'Client' | 'MessageId'>;

/** Options of `createPulsarNativeBroker` that do not depend on who makes the client. */
export interface PulsarNativeAdapterOptions {
  /** Where topics lie whose names say nothing more: `tenant/namespace`. Default: `public/default`. */
  readonly namespace?: string | undefined;
  /**
   * Options of every producer, under the addon's names. What differs from the addon's own defaults: batches by key
   * (`KeyBasedBatching`), held for 1 ms; keys of ASCII characters go to the partitions that other clients choose (`JavaStringHash`),
   * others do not: the addon hashes bytes in place of characters, and on ARM not as on x86. Where keys may hold more than ASCII and
   * others publish too, set `Murmur3_32Hash` in all of them. 10,000 messages on their way at most, more wait their turn. Messages
   * without a key go to all partitions in turn (`RoundRobinDistribution`), which the addon does by itself since its C++ client is 4.0.
   * It passes over `sendTimeoutMs: 0` and keeps 30 s. With `chunkingEnabled` there are no batches.
   */
  readonly producer?:
    | Omit<
        ProducerConfig,
        'topic' | 'producerName' | 'initialSequenceId' | 'blockIfQueueFull' | 'maxPendingMessagesAcrossPartitions' | 'schema' | 'accessMode'
      >
    | undefined;
  /** Options of every consumer, under the addon's names; those of decryption are for readers too. Default: the addon's. */
  readonly consumer?:
    | Pick<
        ConsumerConfig,
        | 'privateKeyPath'
        | 'cryptoKeyReader'
        | 'cryptoFailureAction'
        | 'maxPendingChunkedMessage'
        | 'autoAckOldestChunkedMessageOnQueueFull'
        | 'replicateSubscriptionState'
        | 'keySharedPolicy'
        | 'properties'
      >
    | undefined;
  /** How long `ping` waits for an answer, in milliseconds. Default: 5,000. */
  readonly pingTimeoutMs?: number | undefined;
  /** The package `pulsar-client`, where it cannot be loaded by its name, as in a bundle. Default: it is loaded when first needed. */
  readonly addon?: Addon | undefined;
  /** Default: the system’s. */
  readonly clock?: Clock | undefined;
  /**
   * Gets the addon's own log too, from warnings on, unless `log` and `logLevel` say otherwise. The addon has one log for the whole
   * process, and the broker's first client takes it; without a logger it stays with whoever has it. Default: nothing is logged.
   */
  readonly logger?: Logger | undefined;
}

/**
 * Options of `createPulsarNativeBroker`: those of the client that it makes and closes (`serviceUrl` and so on, under the addon's
 * names; `tlsValidateHostname` is on unless turned off), or a `client` that the caller has and keeps.
 */
export type PulsarNativeBrokerOptions = PulsarNativeAdapterOptions & (ClientConfig | { readonly client: Client });
