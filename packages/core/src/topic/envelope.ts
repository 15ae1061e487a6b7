import type { IncomingMessage, OutgoingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { TraceContext } from '../telemetry/port.ts';
import type { Topic } from './topic.ts';

/** What travels with every message beside its content. */
export interface Envelope extends TraceContext {
  /** Stable through retries and re-publishing: the id that consumers dedupe by. */
  readonly eventId: string;
  /** When the event happened, in milliseconds since the epoch. */
  readonly occurredAtMs: number;
  /** Ties together everything that one request caused. */
  readonly correlationId?: string | undefined;
}

/** Names of the message properties that hold the envelope. */
export const envelopeProperties = {
  eventId: 'paystream-event-id',
  correlationId: 'paystream-correlation-id',
  contentType: 'content-type',
  traceparent: 'traceparent',
  tracestate: 'tracestate',
} as const;

/** Whether a broker takes a time for that of an event: Pulsar knows whole milliseconds from the epoch on. */
export const isEventTime = (ms: number | undefined): boolean => Number.isSafeInteger(ms) && (ms ?? -1) >= 0;

/** Encodes a value for its topic, with its envelope. Throws `INVALID_ARGUMENT` if the value does not fit the codec, or its time no broker. */
export function sealMessage<T, I>(topic: Topic<T, I>, value: I, envelope: Envelope): OutgoingMessage {
  if (!isEventTime(envelope.occurredAtMs)) {
    const message = `an event for topic "${topic.name}" has occurredAtMs ${envelope.occurredAtMs}: it must be an integer from 0 on`;
    throw new PaystreamError('INVALID_ARGUMENT', message, { reason: 'INVALID_MESSAGE' });
  }
  const properties: Record<string, string> = {
    [envelopeProperties.eventId]: envelope.eventId,
    [envelopeProperties.contentType]: topic.codec.contentType,
  };
  if (envelope.correlationId !== undefined) properties[envelopeProperties.correlationId] = envelope.correlationId;
  if (envelope.traceparent !== undefined) properties[envelopeProperties.traceparent] = envelope.traceparent;
  if (envelope.tracestate !== undefined) properties[envelopeProperties.tracestate] = envelope.tracestate;
  return { payload: topic.codec.encode(value), key: topic.key?.(value), properties, eventTimeMs: envelope.occurredAtMs };
}

/** The trace context that a message carries. */
export function openTrace({ properties = {} }: Pick<OutgoingMessage, 'properties'>): TraceContext {
  return { traceparent: properties[envelopeProperties.traceparent], tracestate: properties[envelopeProperties.tracestate] };
}

/** The message with a trace context, which it had none of; as it is if there is none. */
export function withTrace(message: OutgoingMessage, { traceparent, tracestate }: TraceContext): OutgoingMessage {
  if (traceparent === undefined) return message;
  // What may stand there means nothing without a `traceparent`.
  const { [envelopeProperties.tracestate]: _, ...properties }: Record<string, string> = message.properties ?? {};
  properties[envelopeProperties.traceparent] = traceparent;
  if (tracestate !== undefined) properties[envelopeProperties.tracestate] = tracestate;
  return { ...message, properties };
}

/** Reads the envelope of a message. One that another program published without an event id gets its place in the topic as one. */
export function openEnvelope(message: IncomingMessage): Envelope {
  return {
    eventId: message.properties[envelopeProperties.eventId] ?? `${message.topic}@${message.id}`,
    occurredAtMs: message.eventTimeMs ?? message.publishTimeMs,
    correlationId: message.properties[envelopeProperties.correlationId],
    traceparent: message.properties[envelopeProperties.traceparent],
    tracestate: message.properties[envelopeProperties.tracestate],
  };
}
