import { create } from '@bufbuild/protobuf';
import { type LogEntry, LogEntrySchema, LogKind, LogLevel, timestampFromMs } from '@paystream/core/contracts';
import { isEventTime } from '../event-time.ts';
import type { Redactor } from './redact.ts';

/** What a line becomes an entry with. */
export interface PinoLineContext {
  readonly service: string;
  readonly redactor: Redactor;
  /** A new entry id for each call. */
  readonly nextId: () => string;
  /** The time of a line that names none, or none that can be, in milliseconds since the epoch. */
  readonly nowMs: () => number;
}

/** The longest text of a message or an attribute, in characters; the rest is cut off. */
const longestText = 16_384;
const longestId = 128;
const mostAttributes = 64;

const levels: readonly LogLevel[] = [LogLevel.TRACE, LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARN, LogLevel.ERROR, LogLevel.FATAL];
const levelNames: Readonly<Record<string, LogLevel>> = {
  trace: LogLevel.TRACE,
  debug: LogLevel.DEBUG,
  info: LogLevel.INFO,
  warn: LogLevel.WARN,
  warning: LogLevel.WARN,
  error: LogLevel.ERROR,
  fatal: LogLevel.FATAL,
};

/** Names that become fields of the entry, and so no attributes. */
const lifted: ReadonlySet<string> = new Set(
  'level time msg message orderId order_id merchantId merchant_id event traceId trace_id traceparent'.split(' '),
);

/** The level of pino's number (10, 20, ...) or name. */
export function logLevelOf(level: unknown): LogLevel {
  if (typeof level === 'string') return levelNames[level.toLowerCase()] ?? LogLevel.INFO;
  if (typeof level !== 'number' || !Number.isFinite(level)) return LogLevel.INFO;
  return levels[Math.min(levels.length, Math.max(1, Math.floor(level / 10))) - 1] ?? LogLevel.INFO;
}

function cut(text: string): string {
  return text.length <= longestText ? text : `${text.slice(0, longestText)}… (${text.length - longestText} characters cut off)`;
}

function first(fields: Readonly<Record<string, unknown>>, ...names: readonly string[]): string {
  for (const name of names) {
    const value = fields[name];
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'number') return String(value);
  }
  return '';
}

function traceIdOf(fields: Readonly<Record<string, unknown>>): string {
  const id = first(fields, 'traceId', 'trace_id') || (first(fields, 'traceparent').split('-')[1] ?? '');
  return /^[0-9a-f]{32}$/.test(id) ? id : '';
}

/** Numbers below are seconds, as pino's `unixTime` writes them: as milliseconds they would lie before March 1973. */
const leastMs = 1e11;

function timeOf(time: unknown, nowMs: () => number): number {
  if (typeof time !== 'string' && typeof time !== 'number') return nowMs();
  const ms = typeof time === 'string' ? Date.parse(time) : time < leastMs ? time * 1_000 : time;
  return isEventTime(ms) ? ms : nowMs();
}

function attributesOf(fields: Readonly<Record<string, unknown>>, redactor: Redactor): Record<string, string> {
  const attributes: Record<string, string> = {};
  let left = mostAttributes;
  for (const [name, value] of Object.entries(fields)) {
    if (lifted.has(name) || value === undefined || left-- <= 0) continue;
    const safe = redactor.isSecret(name) ? '[redacted]' : redactor.value(value);
    attributes[name] = cut(typeof safe === 'string' ? safe : JSON.stringify(safe));
  }
  return attributes;
}

function fieldsOf(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    // Not JSON: somebody wrote plain text to the destination, which is then the message.
    if (!(error instanceof SyntaxError)) throw error;
  }
  return { msg: line };
}

/** Turns a line that pino wrote into a diagnostic entry, with secrets taken out. A line that is no JSON becomes its message. */
export function logEntryOfPinoLine(line: string, context: PinoLineContext): LogEntry {
  const fields = fieldsOf(line.trimEnd());
  return create(LogEntrySchema, {
    entryId: context.nextId(),
    kind: LogKind.DIAGNOSTIC,
    level: logLevelOf(fields['level']),
    service: context.service,
    event: first(fields, 'event').slice(0, longestId),
    message: cut(context.redactor.text(first(fields, 'msg', 'message'))),
    orderId: first(fields, 'orderId', 'order_id').slice(0, longestId),
    merchantId: first(fields, 'merchantId', 'merchant_id').slice(0, longestId),
    traceId: traceIdOf(fields),
    attributes: attributesOf(fields, context.redactor),
    eventTime: timestampFromMs(timeOf(fields['time'], context.nowMs)),
  });
}
