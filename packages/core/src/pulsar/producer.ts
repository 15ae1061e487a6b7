import type { Producer } from '@paystream/pulsar';
import type { BrokerProducer, OutgoingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { checkMessage } from '../pulsar-adapter/check-message.ts';
import type { Subject } from '../pulsar-adapter/subject.ts';
import type { AdapterContext } from './context.ts';
import { fromPulsar } from './errors.ts';

/** How many messages may be on their way at once; more wait. */
const maxPendingMessages = 10_000;

/** A producer of one topic. */
export async function createPulsarProducer(context: AdapterContext, topic: string): Promise<BrokerProducer> {
  const details = { topic };
  const closedError = (): PaystreamError =>
    new PaystreamError('FAILED_PRECONDITION', `the producer of topic "${topic}" is closed`, { reason: 'PRODUCER_CLOSED', details });
  const about = (what: string): Subject => ({ what, details, closed: closedError });
  const sending = about(`cannot publish to topic "${topic}"`);
  let closed: Promise<void> | undefined;

  let producer: Producer;
  try {
    producer = await context.client.createProducer({
      batching: { keyed: true },
      maxPendingMessages,
      ...context.producerOptions(topic),
      blockIfQueueFull: true,
      topic: context.fullName(topic),
    });
  } catch (error) {
    throw fromPulsar(error, about(`cannot make a producer of topic "${topic}"`));
  }

  const send = (message: OutgoingMessage): ReturnType<Producer['send']> => {
    checkMessage(topic, message);
    const { payload, key, properties, eventTimeMs, deliverAtMs } = message;
    return producer.send({ value: payload, key, properties, eventTimeMs, deliverAtMs });
  };

  const end = async (): Promise<void> => {
    context.closed(result);
    await producer.close();
  };

  const result: BrokerProducer = {
    topic,
    send: async (message) => {
      if (closed !== undefined) throw closedError();
      try {
        return (await send(message)).toString();
      } catch (error) {
        throw fromPulsar(error, sending);
      }
    },
    sendAll: async (messages) => {
      if (closed !== undefined) throw closedError();
      const sends = messages.map(send);
      const outcomes = await Promise.allSettled(sends);
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw fromPulsar(failed.reason, sending);
    },
    // Whoever sent is told what failed; that it has settled is all that is asked here.
    flush: () => producer.flush().catch(() => undefined),
    close: () => {
      closed ??= end();
      return closed;
    },
  };
  return result;
}
