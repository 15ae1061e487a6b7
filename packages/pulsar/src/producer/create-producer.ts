import type { ClientContext } from '../client/context.ts';
import { parseTopicName } from '../lookup/topic-name.ts';
import type { ValueEncoder } from '../schema/port.ts';
import { type Payload, payloadEncoder } from './message.ts';
import { type ProducerOptions, settle } from './options.ts';
import { PartitionedProducer } from './partitioned-producer.ts';
import { PlainProducer } from './plain-producer.ts';
import type { Producer } from './producer.ts';

/** A producer, which is closed together with the client that `context` is of. See `PulsarClient.createProducer`. */
export async function createProducer<T = Payload>(context: ClientContext, options: ProducerOptions<T>): Promise<Producer<T>> {
  const { full: topic, partition, domain } = parseTopicName(options.topic);
  const settings = settle(options, domain === 'persistent');
  // Without a schema T is Payload.
  const encoder = options.schema ?? (payloadEncoder as ValueEncoder<unknown> as ValueEncoder<T>);
  const partitions = partition < 0 ? await context.lookup.partitions(topic) : 0;
  if (partitions === 0) {
    const producer = new PlainProducer({ context, settings, topic, partition, name: options.name }, encoder);
    return opened(producer, producer.open(options.signal));
  }
  const producer = new PartitionedProducer({ context, options, settings, topic, encoder });
  return opened(producer, producer.open(partitions));
}

async function opened<T>(producer: Producer<T>, opening: Promise<void>): Promise<Producer<T>> {
  try {
    await opening;
    return producer;
  } catch (error) {
    await producer.close();
    throw error;
  }
}
