import { create } from '@bufbuild/protobuf';
import { type LogEntry, LogEntrySchema, LogKind, LogLevel, timestampFromMs } from '@paystream/core/contracts';

/** The entry that says how many lines are missing. */
export function droppedLinesEntry(service: string, count: number, entryId: string, nowMs: number): LogEntry {
  return create(LogEntrySchema, {
    entryId,
    kind: LogKind.DIAGNOSTIC,
    level: LogLevel.WARN,
    service,
    event: 'log.dropped',
    message: `${count} log lines were dropped before this one: they came faster than the broker took them`,
    attributes: { count: String(count) },
    eventTime: timestampFromMs(nowMs),
  });
}
