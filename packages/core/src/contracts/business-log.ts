import { create } from '@bufbuild/protobuf';
import type { Clock } from '../clock/port.ts';
import { type LogEntry, LogEntrySchema, LogKind, LogLevel } from '../gen/paystream/log/v1/log_pb.ts';
import { outboxEvent } from '../outbox/event.ts';
import type { OutboxEvent } from '../outbox/port.ts';
import type { IdGenerator } from '../random/id.ts';
import { noTelemetry, type Telemetry, type TraceContext } from '../telemetry/port.ts';
import type { Topic } from '../topic/topic.ts';
import { timestampFromMs } from './time.ts';

/** A fact of the business, to be logged once. */
export interface BusinessFact {
  /** A stable name: `order.placed`. */
  readonly event: string;
  /** The same for a person to read. */
  readonly message: string;
  /** The order that it is about. Default: none. */
  readonly orderId?: string;
  /** The merchant that it is about. Default: none. */
  readonly merchantId?: string;
  /** Default: `LogLevel.INFO`. */
  readonly level?: LogLevel;
  /** Everything else, by name; nothing secret. Default: none. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** The trace that it happened in. Default: the current span's, where the log was given `telemetry`. */
  readonly trace?: TraceContext;
}

/** Turns a fact into an event for the outbox, to be added in the transaction that it tells of. */
export type BusinessLog = (fact: BusinessFact) => OutboxEvent;

/** Options of {@link createBusinessLog}. */
export interface BusinessLogOptions {
  /** Where entries are published. */
  readonly topic: Topic<LogEntry>;
  /** The service that writes: `order`. */
  readonly service: string;
  /** When something happened. */
  readonly clock: Clock;
  /** Makes entry ids. */
  readonly nextId: IdGenerator;
  /** Knows the current span, for facts that name no trace. Default: they have none. */
  readonly telemetry?: Telemetry | undefined;
}

/** Business entries of one service: committed with what they tell of, so none is lost and none tells of what did not happen. */
export function createBusinessLog(options: BusinessLogOptions): BusinessLog {
  const { telemetry = noTelemetry } = options;
  return (fact) => {
    // As the outbox has it: else the entry would name no trace, and its message one.
    const trace = fact.trace?.traceparent === undefined ? telemetry.current() : fact.trace;
    const entryId = options.nextId();
    const now = options.clock.now();
    const entry = create(LogEntrySchema, {
      entryId,
      kind: LogKind.BUSINESS,
      level: fact.level ?? LogLevel.INFO,
      service: options.service,
      event: fact.event,
      message: fact.message,
      orderId: fact.orderId ?? '',
      merchantId: fact.merchantId ?? '',
      attributes: { ...fact.attributes },
      traceId: trace?.traceparent?.split('-')[1] ?? '',
      eventTime: timestampFromMs(now),
    });
    return outboxEvent(options.topic, entry, { ...trace, eventId: entryId, occurredAtMs: now });
  };
}
