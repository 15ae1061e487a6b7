import type { Broker } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createIdGenerator } from '../random/id.ts';
import type { Random } from '../random/port.ts';
import { systemRandom } from '../random/system-random.ts';
import { noTelemetry, type Telemetry } from '../telemetry/port.ts';
import { sealMessage } from '../topic/envelope.ts';
import type { Topic } from '../topic/topic.ts';
import type { Producer, SendOptions } from './port.ts';

/** Options of {@link createProducer}. */
export interface ProducerOptions {
  /** Default: the system's. */
  readonly clock?: Clock;
  /** For the event ids. Default: the system's. */
  readonly random?: Random;
  /** Counts `paystream_producer_messages_total` by topic and outcome. Default: keeps nothing. */
  readonly telemetry?: Telemetry;
}

const noOptions: SendOptions = {};

/**
 * Makes a typed producer of a topic. The caller closes it; the broker stays open.
 *
 * @example
 * const producer = await createProducer(broker, signups);
 * await producer.send({ userId: 'u1', email: 'a@example.org' });
 */
export async function createProducer<T, I>(broker: Broker, topic: Topic<T, I>, options: ProducerOptions = {}): Promise<Producer<I>> {
  const clock = options.clock ?? systemClock;
  const telemetry = options.telemetry ?? noTelemetry;
  const newId = createIdGenerator(clock, options.random ?? systemRandom);
  const producer = await broker.createProducer({ topic: topic.name });
  const sent = { topic: topic.name, outcome: 'sent' };
  const failed = { topic: topic.name, outcome: 'failed' };

  return {
    topic: topic.name,
    send: async (value, send = noOptions) => {
      const now = clock.now();
      const sealed = sealMessage(topic, value, {
        eventId: send.eventId ?? newId(),
        occurredAtMs: send.occurredAtMs ?? now,
        correlationId: send.correlationId,
        traceparent: send.traceparent,
      });
      const delayMs = send.delayMs ?? 0;
      if (delayMs > 0 && !broker.capabilities.delayedDelivery) {
        throw new PaystreamError('UNSUPPORTED', `the broker "${broker.name}" cannot delay a message; send it without delayMs`, {
          reason: 'DELAYED_DELIVERY_UNSUPPORTED',
        });
      }
      try {
        const id = await producer.send(delayMs > 0 ? { ...sealed, deliverAtMs: now + delayMs } : sealed);
        telemetry.count('paystream_producer_messages_total', sent);
        return id;
      } catch (error) {
        telemetry.count('paystream_producer_messages_total', failed);
        throw error;
      }
    },
    flush: () => producer.flush(),
    close: () => producer.close(),
  };
}
