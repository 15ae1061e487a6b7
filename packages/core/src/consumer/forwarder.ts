import { createDeadLetterProducer } from '../broker/dead-letters.ts';
import type { Broker, BrokerProducer, BrokerProducerOptions, IncomingMessage, OutgoingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { envelopeProperties, isEventTime } from '../topic/envelope.ts';
import { backoffMs } from './backoff.ts';
import { consumerProperties } from './delivery.ts';
import type { Delivery } from './port.ts';
import type { CommonSettings } from './settings.ts';
import { unlessAborted } from './unless-aborted.ts';

/** What became of a message that was to be published again. */
export type Forwarded = 'published' | 'too-large' | 'stopped';

/** Publishes messages that a consumer will not handle now. */
export interface Forwarder {
  /**
   * Sends a message to the dead-letter topic, its bytes untouched, the reason in properties; of one that is nearly as large as the
   * broker takes, as much of that as there is room for. Tries until the broker has it, and resolves with `true`; with `false` if it
   * was stopped before.
   */
  deadLetter(message: IncomingMessage, error: PaystreamError, attempts: number): Promise<boolean>;
  /** Sends a message to the retry topic, with how often it was tried. Tries until the broker has it, says that it is too large for that, or it is stopped. */
  retryLater(message: IncomingMessage, delivery: Delivery<unknown>, delayMs: number): Promise<Forwarded>;
  close(): Promise<void>;
}

/** A broker limits how large properties are; the whole error stands in the log. */
const longestText = 1_000;

function again(message: IncomingMessage, properties: Record<string, string>): OutgoingMessage {
  return {
    payload: message.payload,
    key: message.key,
    properties: { ...message.properties, ...properties },
    // Another program may have meant another unit, and what no broker takes would be held for ever.
    eventTimeMs: isEventTime(message.eventTimeMs) ? message.eventTimeMs : undefined,
  };
}

/** Makes the forwarder of a consumer. Its producers come into being with the first message for each. */
export function createForwarder(broker: Broker, settings: CommonSettings, ended: AbortSignal): Forwarder {
  const { clock, random, retry, logger, telemetry, subscription } = settings;
  const producers = new Map<string, Promise<BrokerProducer>>();
  const create = (options: BrokerProducerOptions): Promise<BrokerProducer> => broker.createProducer(options);

  const producerOf = (topic: string): Promise<BrokerProducer> => {
    let producer = producers.get(topic);
    if (producer === undefined) {
      // The retry topic has its subscription from the start, since the consumer itself reads it.
      producer =
        topic === settings.deadLetterTopic
          ? createDeadLetterProducer({ create, topic, keptFor: settings.deadLetterSubscription, clock, logger })
          : create({ topic });
      producers.set(topic, producer);
      producer.catch(() => producers.delete(topic));
    }
    return producer;
  };

  /** Tries until the broker has it; only where there is another way is one that is `too-large` not tried again. */
  const publish = async (topic: string, message: OutgoingMessage, otherWay: boolean): Promise<Forwarded> => {
    for (let failures = 1; !ended.aborted; failures++) {
      try {
        const producer = await unlessAborted(producerOf(topic), ended);
        await unlessAborted(producer.send(message), ended);
        return 'published';
      } catch (error) {
        if (ended.aborted) break;
        if (otherWay && PaystreamError.from(error).reason === 'MESSAGE_TOO_LARGE') return 'too-large';
        const delayMs = backoffMs(retry, failures, random);
        telemetry.count('paystream_consumer_broker_retries_total', { topic, subscription, operation: 'forward' });
        logger.warn({ topic, subscription, err: error, delayMs }, 'cannot publish a message again: it is held and tried again');
        await clock.sleep(delayMs, ended).catch(() => undefined);
      }
    }
    return 'stopped';
  };

  return {
    deadLetter: async (message, error, attempts) => {
      const where = { [consumerProperties.reason]: error.reason, [consumerProperties.topic]: settings.topic.name };
      const all = {
        ...where,
        [consumerProperties.message]: error.message.slice(0, longestText),
        [consumerProperties.subscription]: subscription,
        [consumerProperties.attempts]: String(attempts),
      };
      const topic = settings.deadLetterTopic;
      for (const properties of [all, where]) {
        const forwarded = await publish(topic, again(message, properties), true);
        if (forwarded !== 'too-large') return forwarded === 'published';
      }
      // It was published as it is: so it fits once more, and the log has the reason.
      return (await publish(topic, again(message, {}), false)) === 'published';
    },
    retryLater: (message, delivery, delayMs) => {
      const attempts = {
        [envelopeProperties.eventId]: delivery.eventId,
        [consumerProperties.retryAttempts]: String(delivery.attempt),
      };
      return publish(settings.retryTopic, { ...again(message, attempts), deliverAtMs: clock.now() + delayMs }, true);
    },
    close: async () => {
      const open = await Promise.allSettled(producers.values());
      await Promise.all(open.map((producer) => (producer.status === 'fulfilled' ? producer.value.close() : undefined)));
    },
  };
}
