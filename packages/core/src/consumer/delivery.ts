import type { IncomingMessage, MessageId } from '../broker/port.ts';
import { openEnvelope } from '../topic/envelope.ts';
import type { Topic } from '../topic/topic.ts';
import type { Delivery } from './port.ts';

/** Names of the properties that a message gets when a consumer publishes it again. */
export const consumerProperties = {
  /** On the retry topic: how often a handler has seen it. */
  retryAttempts: 'paystream-retry-attempts',
  reason: 'paystream-dead-letter-reason',
  message: 'paystream-dead-letter-message',
  topic: 'paystream-dead-letter-topic',
  subscription: 'paystream-dead-letter-subscription',
  /** How often a handler has seen it; 0 for one that did not decode. */
  attempts: 'paystream-dead-letter-attempts',
} as const;

/** How often a handler has seen a message before, as far as this message tells. */
function attemptsBefore(message: IncomingMessage): number {
  const before = message.properties[consumerProperties.retryAttempts];
  return message.redeliveryCount + (before === undefined ? 0 : Number.parseInt(before, 10) || 0);
}

class OpenDelivery<T> implements Delivery<T> {
  readonly value: T;
  readonly topic: string;
  readonly messageId: MessageId;
  readonly key: string | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly publishTimeMs: number;
  readonly attempt: number;
  readonly eventId: string;
  readonly occurredAtMs: number;
  readonly correlationId: string | undefined;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;

  constructor(value: T, topic: string, message: IncomingMessage) {
    const { eventId, occurredAtMs, correlationId, traceparent, tracestate } = openEnvelope(message);
    this.value = value;
    this.topic = topic;
    this.messageId = message.id;
    this.key = message.key;
    this.properties = message.properties;
    this.publishTimeMs = message.publishTimeMs;
    this.attempt = 1 + attemptsBefore(message);
    this.eventId = eventId;
    this.occurredAtMs = occurredAtMs;
    this.correlationId = correlationId;
    this.traceparent = traceparent;
    this.tracestate = tracestate;
  }
}

/** Decodes a message. Throws `UNDECODABLE`. */
export function openDelivery<T>(topic: Topic<T, never>, message: IncomingMessage): Delivery<T> {
  return new OpenDelivery(topic.codec.decode(message.payload), topic.name, message);
}
