import { defineTopic, protobuf, type Topic } from '@paystream/core';
import { type LogEntry, LogEntrySchema } from '@paystream/core/contracts';

/** The contract of a log topic under a name of the caller's: entries of one order keep their order. */
export function logTopic(name: string): Topic<LogEntry> {
  return defineTopic({ name, codec: protobuf(LogEntrySchema), key: (entry) => entry.orderId || entry.entryId });
}
