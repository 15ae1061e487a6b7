import type { ClientContext } from '../client/context.ts';
import { PulsarError } from '../errors/pulsar-error.ts';
import { parseTopicName } from '../lookup/topic-name.ts';
import type { ValueEncoder } from '../schema/port.ts';
import { type Payload, payloadEncoder, prepare } from './message.ts';
import { type ProducerOptions, settle } from './options.ts';
import type { Producer } from './producer.ts';
import { SendRoom } from './send-room.ts';
import { TopicProducer } from './topic-producer.ts';

/** A producer of the client that `context` is of. See `PulsarClient.createProducer`. */
export async function createProducer<T = Payload>(context: ClientContext, options: ProducerOptions<T>): Promise<Producer<T>> {
  const topicName = parseTopicName(options.topic);
  const settings = settle(options, topicName.domain === 'persistent');
  const encoder = options.schema ?? (payloadEncoder as ValueEncoder<unknown> as ValueEncoder<T>);
  const room = new SendRoom(settings.maxPendingMessages, context.memory);
  const partitions = topicName.partition < 0 ? await context.lookup.partitions(topicName.full) : 0;
  if (partitions > 0) throw new PulsarError('UNSUPPORTED', 'partitioned topics come later');
  const topic = topicName.full;
  const producer = new TopicProducer({
    context,
    settings,
    topic,
    partition: topicName.partition,
    name: options.name,
    schema: encoder.info,
    room,
  });
  const forget = context.onClose(() => producer.close());
  try {
    await producer.open(options.signal);
  } catch (error) {
    forget();
    throw error;
  }
  async function close(): Promise<void> {
    forget();
    await producer.close();
  }
  return {
    topic,
    get name() {
      return producer.name;
    },
    get state() {
      return producer.state;
    },
    get lastSequenceId() {
      return producer.lastSequenceId;
    },
    get pendingMessages() {
      return room.messages;
    },
    partitions: 0,
    send(message) {
      try {
        return producer.send(prepare(message, encoder));
      } catch (error) {
        return Promise.reject(error);
      }
    },
    flush: () => producer.flush(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
