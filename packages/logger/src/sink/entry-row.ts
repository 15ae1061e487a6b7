import type { Delivery } from '@paystream/core';
import { type LogEntry, LogKind, LogLevel, msFromTimestamp } from '@paystream/core/contracts';
import type { SqlValue } from '@paystream/core/sql';
import { eventDateOf } from './event-date.ts';

/** The columns of `log_entries`, in the order in which {@link entryRow} gives their values. */
export const entryColumns: readonly string[] = [
  'event_date',
  'entry_id',
  'event_time',
  'kind',
  'level',
  'service',
  'event',
  'message',
  'order_id',
  'merchant_id',
  'trace_id',
  'attributes',
];

/** An entry as the store takes it. */
export interface EntryRow {
  readonly values: readonly SqlValue[];
  readonly kind: LogKind;
  readonly event: string;
}

const latestMs = 253_402_300_799_999;

/** The time of an entry; for one without a sensible one, when its message says that it happened. Always the same for the same message. */
function timeOf(entry: LogEntry, delivery: Delivery<LogEntry>): number {
  const ms = msFromTimestamp(entry.eventTime);
  return ms > 0 && ms <= latestMs ? ms : delivery.occurredAtMs;
}

/** The row of an entry that was received. What other programs may have left out is filled in from the message around it. */
export function entryRow(delivery: Delivery<LogEntry>): EntryRow {
  const entry = delivery.value;
  const eventTime = timeOf(entry, delivery);
  const kind = entry.kind === LogKind.UNSPECIFIED ? LogKind.DIAGNOSTIC : entry.kind;
  const values = [
    eventDateOf(eventTime),
    entry.entryId === '' ? delivery.eventId : entry.entryId,
    eventTime,
    kind,
    entry.level === LogLevel.UNSPECIFIED ? LogLevel.INFO : entry.level,
    entry.service,
    entry.event,
    entry.message,
    entry.orderId,
    entry.merchantId,
    entry.traceId,
    JSON.stringify(entry.attributes),
  ];
  return { values, kind, event: entry.event };
}

const kindNames: Readonly<Record<number, string>> = { [LogKind.BUSINESS]: 'business', [LogKind.DIAGNOSTIC]: 'diagnostic' };

/** The line of the file for a row, in the names and levels that pino uses, so that its tools read it. */
export function lineOf(row: EntryRow): string {
  const [, entryId, time, kind, level, service, event, message, orderId, merchantId, traceId, attributes] = row.values;
  const text = JSON.stringify({
    level: Number(level) * 10,
    time,
    kind: kindNames[Number(kind)] ?? String(kind),
    entryId,
    service,
    event: event === '' ? undefined : event,
    orderId: orderId === '' ? undefined : orderId,
    merchantId: merchantId === '' ? undefined : merchantId,
    traceId: traceId === '' ? undefined : traceId,
    msg: message,
  });
  return attributes === '{}' ? `${text}\n` : `${text.slice(0, -1)},"attributes":${attributes}}\n`;
}
