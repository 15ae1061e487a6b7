import type { Delivery } from '@paystream/core';
import { type LogEntry, LogKind, LogLevel, msFromTimestamp } from '@paystream/core/contracts';
import type { SqlValue } from '@paystream/core/sql';
import { isEventTime } from '../event-time.ts';
import { eventDateOf } from './event-date.ts';
import { keyText } from './key-text.ts';

/** The columns of `log_entries`, in the order in which {@link pushValues} gives their values. */
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
  /** Milliseconds since the epoch. */
  readonly eventTime: number;
  readonly entryId: string;
  readonly kind: LogKind;
  readonly level: LogLevel;
  readonly service: string;
  readonly event: string;
  readonly message: string;
  readonly orderId: string;
  readonly merchantId: string;
  readonly traceId: string;
  /** JSON. */
  readonly attributes: string;
}

/**
 * The time of an entry; for one without a sensible one, when its message says that it happened, or else when that was published.
 * Always the same for the same message.
 */
function timeOf(entry: LogEntry, { occurredAtMs, publishTimeMs }: Delivery<LogEntry>): number {
  const ms = msFromTimestamp(entry.eventTime);
  if (isEventTime(ms)) return ms;
  return Math.floor(isEventTime(occurredAtMs) ? occurredAtMs : publishTimeMs);
}

function attributesOf(attributes: LogEntry['attributes']): string {
  for (const _ in attributes) return JSON.stringify(attributes);
  return '{}';
}

/** The row of an entry that was received. What other programs may have left out is filled in from the message around it. */
export function entryRow(delivery: Delivery<LogEntry>): EntryRow {
  const entry = delivery.value;
  return {
    eventTime: timeOf(entry, delivery),
    entryId: keyText(entry.entryId === '' ? delivery.eventId : entry.entryId),
    kind: entry.kind === LogKind.UNSPECIFIED ? LogKind.DIAGNOSTIC : entry.kind,
    level: entry.level === LogLevel.UNSPECIFIED ? LogLevel.INFO : entry.level,
    service: entry.service,
    event: entry.event,
    message: entry.message,
    orderId: entry.orderId,
    merchantId: entry.merchantId,
    traceId: entry.traceId,
    attributes: attributesOf(entry.attributes),
  };
}

/** Appends the values of {@link entryColumns} to a list of parameters. */
export function pushValues(values: SqlValue[], row: EntryRow): void {
  values.push(
    eventDateOf(row.eventTime),
    row.entryId,
    row.eventTime,
    row.kind,
    row.level,
    row.service,
    row.event,
    row.message,
    row.orderId,
    row.merchantId,
    row.traceId,
    row.attributes,
  );
}

const kindNames: Readonly<Record<number, string>> = { [LogKind.BUSINESS]: 'business', [LogKind.DIAGNOSTIC]: 'diagnostic' };

const plain = /^[ !#-[\]-~]*$/;

/** As `JSON.stringify` does it; faster for texts that need no escapes, which nearly all are. */
function quoted(text: string): string {
  return plain.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** The line of the file for a row, in the names and levels that pino uses, so that its tools read it. What is empty is left out. */
export function lineOf(row: EntryRow): string {
  const { level, service, event, message, orderId, merchantId, traceId } = row;
  const kind = kindNames[row.kind] ?? String(row.kind);
  let line = `{"level":${level * 10},"time":${row.eventTime},"kind":"${kind}","entryId":${quoted(row.entryId)},"service":${quoted(service)}`;
  if (event !== '') line += `,"event":${quoted(event)}`;
  if (orderId !== '') line += `,"orderId":${quoted(orderId)}`;
  if (merchantId !== '') line += `,"merchantId":${quoted(merchantId)}`;
  if (traceId !== '') line += `,"traceId":${quoted(traceId)}`;
  line += `,"msg":${quoted(message)}`;
  return row.attributes === '{}' ? `${line}}\n` : `${line},"attributes":${row.attributes}}\n`;
}
