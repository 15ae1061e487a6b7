import type { IncomingMessage } from '../broker/port.ts';
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

/** Decodes a message. Throws `UNDECODABLE`. */
export function openDelivery<T>(topic: Topic<T, never>, message: IncomingMessage): Delivery<T> {
  const value = topic.codec.decode(message.payload);
  const { eventId, occurredAtMs, correlationId, traceparent, tracestate } = openEnvelope(message);
  return {
    value,
    topic: topic.name,
    messageId: message.id,
    key: message.key,
    properties: message.properties,
    publishTimeMs: message.publishTimeMs,
    attempt: 1 + attemptsBefore(message),
    eventId,
    occurredAtMs,
    correlationId,
    traceparent,
    tracestate,
  };
}
