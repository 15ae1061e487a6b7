import type { ProducerOptions, PulsarClient, PulsarClientOptions } from '@paystream/pulsar';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../logger/port.ts';

/** How producers gather messages, compress them, wait. */
export type PulsarProducerOptions = Pick<
  ProducerOptions,
  'batching' | 'compression' | 'maxPendingMessages' | 'sendTimeoutMs' | 'chunking' | 'hashing'
>;

/** Options of `createPulsarBroker` that do not depend on who makes the client. */
export interface PulsarAdapterOptions {
  /** Where topics lie whose names say nothing more: `tenant/namespace`. Default: `public/default`. */
  readonly namespace?: string | undefined;
  /**
   * Options of producers, for all topics or by topic. Default: batches by key, so that key-shared subscriptions keep the order of
   * a key; no compression. A batch for each key is an entry for each: a topic that no key-shared subscription reads costs the
   * broker less with `batching: {}`.
   */
  readonly producer?: PulsarProducerOptions | ((topic: string) => PulsarProducerOptions | undefined) | undefined;
  /** How long acknowledgements are gathered before they are sent, in milliseconds. Default: 2. */
  readonly ackGroupTimeMs?: number | undefined;
  /** How long `ping` waits for an answer, in milliseconds. Default: 5,000. */
  readonly pingTimeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/**
 * Options of `createPulsarBroker`: those of the client that it makes and closes (`serviceUrl` and so on), or a `client` that
 * the caller has and keeps.
 */
export type PulsarBrokerOptions = PulsarAdapterOptions & (PulsarClientOptions | { readonly client: PulsarClient });
