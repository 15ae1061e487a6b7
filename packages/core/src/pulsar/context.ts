import type { PulsarClient } from '@paystream/pulsar';
import type { BrokerProducer } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../logger/port.ts';
import type { PulsarAdapterOptions } from './options.ts';

/** What producers, subscriptions and readers of one broker share. */
export interface AdapterContext {
  readonly client: PulsarClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ackGroupTimeMs: number;
  readonly producer: NonNullable<PulsarAdapterOptions['producer']>;
  /** The full name of a topic. */
  fullName(topic: string): string;
  /** A producer of a topic that several share; closed with the broker. */
  producerOf(topic: string): Promise<BrokerProducer>;
  /** Something was closed by its user: the broker need not. */
  closed(one: { close(): Promise<void> }): void;
}
