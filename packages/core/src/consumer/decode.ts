import type { IncomingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { openTrace } from '../topic/envelope.ts';
import type { Topic } from '../topic/topic.ts';
import { openDelivery } from './delivery.ts';
import type { Forwarder } from './forwarder.ts';
import type { Delivery } from './port.ts';
import type { CommonSettings } from './settings.ts';
import type { Held, Source } from './source.ts';

/** Decodes a message and hands it on, or sends it to the dead-letter topic: gives what stands for it either way. */
export type Decode<T> = (message: IncomingMessage, source: Source, accept: (delivery: Delivery<T>) => Held) => Held;

/** Makes the stage that decodes. `track` is told of what it does in the background; that never rejects. */
export function createDecode<T>(
  topic: Topic<T, never>,
  settings: CommonSettings,
  forwarder: Forwarder,
  track: (work: Promise<void>) => void,
): Decode<T> {
  const { logger, telemetry, subscription } = settings;
  const labels = { topic: topic.name, subscription };
  const undecodable = { ...labels, outcome: 'undecodable' };
  // Before the first there is one to see: an alarm on the increase does not hear of a series that begins with 1.
  telemetry.count('paystream_consumer_messages_total', undecodable, 0);

  const reject = async (held: Held, source: Source, error: PaystreamError): Promise<void> => {
    const { message } = held;
    logger.error(
      { ...labels, key: message.key, messageId: message.id, traceparent: openTrace(message).traceparent, err: error },
      'a message that does not decode goes to the dead-letter topic',
    );
    if (!(await forwarder.deadLetter(message, error, 0))) return;
    telemetry.count('paystream_consumer_messages_total', undecodable);
    source.acknowledge(held);
  };

  return (message, source, accept) => {
    let delivery: Delivery<T>;
    try {
      delivery = openDelivery(topic, message);
    } catch (cause) {
      const error = PaystreamError.is(cause)
        ? cause
        : new PaystreamError('INVALID_ARGUMENT', `the message does not decode: ${String(cause)}`, { reason: 'UNDECODABLE', cause });
      const held: Held = { message };
      track(reject(held, source, error));
      return held;
    }
    return accept(delivery);
  };
}
