import type { Broker, MessageId } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system-clock.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import { createIdGenerator } from '../random/id.ts';
import type { Random } from '../random/port.ts';
import { systemRandom } from '../random/system-random.ts';
import { labelsWithError } from '../telemetry/labels.ts';
import { noTelemetry, type Span, type Telemetry, type TraceContext } from '../telemetry/port.ts';
import { sealMessage } from '../topic/envelope.ts';
import type { Topic } from '../topic/topic.ts';
import type { Producer, SendOptions } from './port.ts';

/** Options of {@link createProducer}. */
export interface ProducerOptions {
  /** Default: the system's. */
  readonly clock?: Clock;
  /** For the event ids. Default: the system's. */
  readonly random?: Random;
  /** Gets `paystream_producer_messages_total` by outcome, `paystream_producer_send_seconds`, `paystream_producer_pending`, and a span for each send. Default: keeps nothing. */
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
  const labels = { topic: topic.name };
  const measured = labelsWithError({ topic: topic.name, system: broker.name });
  const silent = telemetry === noTelemetry;
  const spanName = `send ${topic.name}`;
  const attributes = {
    'messaging.system.name': broker.name,
    'messaging.destination.name': topic.name,
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
  };
  let pending = 0;

  const startSpan = (send: SendOptions): Span =>
    telemetry.startSpan(spanName, { kind: 'producer', parent: send.traceparent === undefined ? 'current' : send, attributes });
  const change = (by: 1 | -1): void => {
    pending += by;
    telemetry.gauge('paystream_producer_pending', labels, pending);
  };
  const settled = (startMs: number, span: Span | undefined, error?: unknown): void => {
    change(-1);
    telemetry.count('paystream_producer_messages_total', error === undefined ? sent : failed);
    telemetry.observe('paystream_producer_send_seconds', measured(error), (clock.monotonic() - startMs) / 1_000);
    span?.end(error);
  };

  const publish = (value: I, send: SendOptions, trace: TraceContext): Promise<MessageId> => {
    const now = clock.now();
    const sealed = sealMessage(topic, value, {
      eventId: send.eventId ?? newId(),
      occurredAtMs: send.occurredAtMs ?? now,
      correlationId: send.correlationId,
      traceparent: trace.traceparent,
      tracestate: trace.tracestate,
    });
    const delayMs = send.delayMs ?? 0;
    if (delayMs > 0 && !broker.capabilities.delayedDelivery) {
      throw new PaystreamError('UNSUPPORTED', `the broker "${broker.name}" cannot delay a message; send it without delayMs`, {
        reason: 'DELAYED_DELIVERY_UNSUPPORTED',
      });
    }
    return producer.send(delayMs > 0 ? { ...sealed, deliverAtMs: now + delayMs } : sealed);
  };

  const publishObserved = async (value: I, send: SendOptions): Promise<MessageId> => {
    const startMs = clock.monotonic();
    const span = telemetry.tracing ? startSpan(send) : undefined;
    change(1);
    try {
      const id = await publish(value, send, span ?? send);
      settled(startMs, span);
      return id;
    } catch (error) {
      settled(startMs, span, error);
      throw error;
    }
  };

  return {
    topic: topic.name,
    send: (value, send = noOptions) => {
      if (!silent) return publishObserved(value, send);
      try {
        return publish(value, send, send);
      } catch (error) {
        return Promise.reject(error);
      }
    },
    flush: () => producer.flush(),
    close: () => producer.close(),
  };
}
