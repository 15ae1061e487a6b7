import type { PulsarClient } from '@paystream/pulsar';
import type { SharedContext } from '../pulsar-adapter/context.ts';
import type { PulsarProducerOptions } from './options.ts';

/** What producers, subscriptions and readers of one broker share. */
export interface AdapterContext extends SharedContext {
  readonly client: PulsarClient;
  readonly ackGroupTimeMs: number;
  readonly producerOptions: (topic: string) => PulsarProducerOptions | undefined;
}
