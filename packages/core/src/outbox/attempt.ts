import type { BrokerProducer, OutgoingMessage } from '../broker/port.ts';
import { PaystreamError } from '../errors/paystream-error.ts';
import type { Span, Telemetry } from '../telemetry/port.ts';
import { openTrace, withTrace } from '../topic/envelope.ts';
import type { LaneContext } from './lane.ts';
import type { OutboxEntry } from './row.ts';

/** Why events were not published. */
export interface AttemptFailure {
  readonly error: PaystreamError;
  /** Whether the broker refuses one of them for what it is, and would at any time. */
  readonly refused: boolean;
}

/** Tries once to publish events together. Gives why not; `undefined` if they are published, or the lane was ended. */
export type Attempt = (batch: readonly OutboxEntry[]) => Promise<AttemptFailure | undefined>;

/** Begins to count failures: an alarm on the increase hears of no first one that was not 0 before. */
export function expectFailures(telemetry: Telemetry, topic: string): void {
  telemetry.count('paystream_outbox_failures_total', { topic }, 0);
}

/** Makes what publishes events of one topic and says so, counts what fails, and traces each call of the broker. */
export function createAttempt(topic: string, context: LaneContext, published: LaneContext['published']): Attempt {
  const { signal, telemetry } = context;
  const labels = { topic };
  expectFailures(telemetry, topic);
  const spanName = `send ${topic}`;
  const attributes = {
    'messaging.system.name': context.system,
    'messaging.destination.name': topic,
    'messaging.operation.name': 'send',
    'messaging.operation.type': 'send',
  };

  /** One event goes on with the trace of who added it, or begins one here; several are linked with theirs. */
  const startSpan = (messages: readonly OutgoingMessage[]): { readonly span: Span; readonly sent: readonly OutgoingMessage[] } => {
    const [message] = messages;
    if (message === undefined || messages.length > 1) {
      const more = { ...attributes, 'messaging.batch.message_count': messages.length };
      return { span: telemetry.startSpan(spanName, { kind: 'client', links: messages.map(openTrace), attributes: more }), sent: messages };
    }
    const trace = openTrace(message);
    if (trace.traceparent !== undefined) {
      return { span: telemetry.startSpan(spanName, { kind: 'client', parent: trace, attributes }), sent: messages };
    }
    const span = telemetry.startSpan(spanName, { kind: 'producer', attributes });
    return { span, sent: [withTrace(message, span)] };
  };

  const send = async (producer: BrokerProducer, messages: readonly OutgoingMessage[]): Promise<void> => {
    if (!telemetry.tracing) return producer.sendAll(messages);
    const { span, sent } = startSpan(messages);
    try {
      await producer.sendAll(sent);
      span.end();
    } catch (error) {
      span.end(error);
      throw error;
    }
  };

  return async (batch) => {
    let asked = false;
    let making: Promise<BrokerProducer> | undefined;
    try {
      making = context.producer(topic);
      const producer = await making;
      // Asked for last: a producer may take longer than a lease to be made.
      const permit = context.permit();
      if (permit !== undefined) await permit;
      if (signal.aborted) return undefined;
      asked = true;
      await send(
        producer,
        batch.map((entry) => entry.message),
      );
      published(topic, batch);
      return undefined;
    } catch (caught) {
      if (signal.aborted) return undefined;
      const error = PaystreamError.from(caught);
      const refused = asked && error.code === 'INVALID_ARGUMENT';
      telemetry.count('paystream_outbox_failures_total', labels);
      if (!refused && making !== undefined) context.dropProducer(topic, making);
      return { error, refused };
    }
  };
}
