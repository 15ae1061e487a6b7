import type { Producer, ProducerMessage } from 'pulsar-client';
import type { BrokerProducer, BrokerProducerOptions, OutgoingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { checkMessage, refuseMessage } from '../pulsar-adapter/check-message.ts';
import { sendInOrder } from '../pulsar-adapter/send-in-order.ts';
import type { Subject } from '../pulsar-adapter/subject.ts';
import { closeNative } from './close.ts';
import type { NativeContext } from './context.ts';
import { fromAddon } from './errors.ts';
import { makeSubscription } from './make-subscription.ts';
import { placeOf, textOf } from './message-ids.ts';
import { createSendWindow } from './send-window.ts';

const defaults = {
  batchingType: 'KeyBasedBatching',
  batchingMaxPublishDelayMs: 1,
  hashingScheme: 'JavaStringHash',
  messageRoutingMode: 'RoundRobinDistribution',
  maxPendingMessages: 10_000,
} as const;
/** The addon divides this among partitions. */
const noLimitAcrossPartitions = 2 ** 31 - 1;

/** A message as the addon takes it. What it would change without a word is refused. */
function outgoing(topic: string, message: OutgoingMessage): ProducerMessage {
  checkMessage(topic, message);
  const { payload, key, properties = {}, eventTimeMs, deliverAtMs } = message;
  if (key === '') refuseMessage(topic, 'has an empty key, which the addon cannot tell from none');
  if (Object.hasOwn(properties, 'length')) refuseMessage(topic, 'has a property named "length", which the addon cannot read');
  if ([key ?? '', ...Object.entries(properties).flat()].some((text) => text.includes('\0'))) {
    refuseMessage(topic, 'has a key or property with a NUL character, at which the addon cuts it off');
  }
  return {
    data: Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
    properties,
    ...(key === undefined ? {} : { partitionKey: key }),
    ...(eventTimeMs === undefined ? {} : { eventTimestamp: eventTimeMs }),
    ...(deliverAtMs === undefined ? {} : { deliverAt: deliverAtMs }),
  };
}

/** A producer of one topic. */
export async function createNativeProducer(
  context: NativeContext,
  { topic, initialSubscription }: BrokerProducerOptions,
): Promise<BrokerProducer> {
  const details = { topic };
  const closedError = (): PaystreamError =>
    new PaystreamError('FAILED_PRECONDITION', `the producer of topic "${topic}" is closed`, { reason: 'PRODUCER_CLOSED', details });
  const about = (what: string): Subject => ({ what, details, closed: closedError, publishing: true });
  const sending = about(`cannot publish to topic "${topic}"`);
  const config = { ...defaults, ...context.producer };
  // The addon would hold the event loop while its queue is full, or refuse: so messages wait here.
  const window = createSendWindow(config.maxPendingMessages);
  let closed: Promise<void> | undefined;

  let producer: Producer;
  try {
    if (initialSubscription !== undefined) await makeSubscription(context, topic, initialSubscription);
    producer = await context.client.createProducer({
      ...config,
      maxPendingMessagesAcrossPartitions: noLimitAcrossPartitions,
      blockIfQueueFull: false,
      topic: context.fullName(topic),
    });
  } catch (error) {
    throw fromAddon(error, about(`cannot make a producer of topic "${topic}"`));
  }

  const send = async (message: OutgoingMessage): Promise<string> => {
    if (closed !== undefined) throw closedError();
    try {
      const native = outgoing(topic, message);
      return textOf(placeOf(await window.run(() => producer.send(native))));
    } catch (error) {
      throw fromAddon(error, sending);
    }
  };

  /** Whoever sent is told what failed; that it has settled is all that is asked here. */
  const flush = async (): Promise<void> => {
    const settled = window.settled();
    await producer.flush().catch(() => undefined);
    await settled;
  };

  const end = async (): Promise<void> => {
    context.closed(result);
    // The addon rejects what is on its way when a producer is closed.
    await flush();
    await closeNative(producer, context.logger, details);
  };

  const result: BrokerProducer = {
    topic,
    send,
    sendAll: async (messages) => {
      if (closed !== undefined) throw closedError();
      // All before the first is sent.
      for (const message of messages) outgoing(topic, message);
      await sendInOrder(messages, send);
    },
    flush,
    close: () => {
      closed ??= end();
      return closed;
    },
  };
  return result;
}
