import type { BatchingOptions, ProducerOptions, PulsarClient, PulsarClientOptions } from '@paystream/pulsar';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../logger/port.ts';
import type { Telemetry } from '../telemetry/port.ts';

/** How producers gather messages, compress them, wait. */
export interface PulsarProducerOptions extends Pick<ProducerOptions, 'compression' | 'sendTimeoutMs' | 'chunking' | 'hashing'> {
  /** Default: `{ keyed: true }`, a batch for each key, or for each group of `keyGroups`. */
  readonly batching?: BatchingOptions | false;
  /** How many messages wait for the broker's answer at most, in all partitions together; more wait. Default: 10,000. */
  readonly maxPendingMessages?: number;
  /**
   * Sorts keys into so many groups; those of a group share entries, of which the broker has fewer to keep then. A key-shared
   * subscription gives a whole group to one consumer at a time, so at most so many consumers share its work. All producers of a
   * topic need the same number, or the order of a key is lost. Default: none, an entry for each key.
   */
  readonly keyGroups?: number | undefined;
}

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
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /**
   * Told too of producers and consumers that are without connection for five seconds, and of the end of that; of a `client` of the
   * caller's that is its `onEvent`'s to tell. Default: nothing is written.
   */
  readonly logger?: Logger | undefined;
  /** Counts reconnects and failed attempts of the client, unless that is the caller's. Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

/**
 * Options of `createPulsarBroker`: those of the client that it makes and closes (`serviceUrl` and so on), or a `client` that
 * the caller has and keeps.
 */
export type PulsarBrokerOptions = PulsarAdapterOptions & (PulsarClientOptions | { readonly client: PulsarClient });
