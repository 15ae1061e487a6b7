import { readdirSync, readFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type Broker, type Clock, createProducer, type Topic } from '@paystream/core';
import { type LogEntry, LogEntrySchema, LogKind, LogLevel, timestampFromMs } from '@paystream/core/contracts';
import type { Database } from '@paystream/core/sql';
import { logTopic } from '../log-topic.ts';
import type { CommittedFile } from './committed-file.ts';

/** A topic of entries. */
export const orderLogs: Topic<LogEntry> = logTopic('order-logs-topic');

/** An entry of this id. */
export function testEntry(id: string, nowMs: number, more: MessageInitShape<typeof LogEntrySchema> = {}): LogEntry {
  return create(LogEntrySchema, {
    entryId: id,
    kind: LogKind.BUSINESS,
    level: LogLevel.INFO,
    service: 'order',
    event: 'order.placed',
    message: `entry ${id}`,
    orderId: `order-${id}`,
    attributes: { n: id },
    eventTime: timestampFromMs(nowMs),
    ...more,
  });
}

/** Sends an entry of each id. */
export async function publish(
  world: { readonly broker: Broker; readonly clock: Clock },
  ids: readonly string[],
  topic: Topic<LogEntry> = orderLogs,
): Promise<void> {
  const producer = await createProducer(world.broker, topic, { clock: world.clock });
  await Promise.all(ids.map((id) => producer.send(testEntry(id, world.clock.now()))));
  await producer.close();
}

/** The ids from one number up to another. */
export const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `e-${String(from + i).padStart(6, '0')}`);

/** The ids in the table, sorted. */
export async function inTable(database: Database): Promise<string[]> {
  const rows = await database.query<{ entry_id: string }>(`SELECT entry_id FROM ${database.tables('log_entries')} ORDER BY entry_id`);
  return rows.map((row) => row.entry_id);
}

/** The ids of these lines, each of which must be whole. */
export function idsOf(lines: string): string[] {
  const split = lines.split('\n');
  if (split.pop() !== '') throw new Error(`the last line is torn: ${lines.slice(-200)}`);
  return split.map((line) => (JSON.parse(line) as { entryId: string }).entryId);
}

/** What is in each log file of a folder, in their order. */
export const contentOf = (directory: string): string[] =>
  readdirSync(directory)
    .filter((file) => file.endsWith('.jsonl'))
    .sort()
    .map((file) => readFileSync(join(directory, file), 'utf8'));

/** The ids in all files of a folder, sorted. */
export function inFiles(directory: string): string[] {
  return contentOf(directory).flatMap(idsOf).sort();
}

export const line = (text: string): Buffer => Buffer.from(`${text}\n`);

/** Writes and commits a line, as a store does it. */
export async function addLine(database: Database, file: CommittedFile, text: string): Promise<void> {
  await file.ready();
  const ahead = file.ahead(line(text));
  await ahead.settled;
  if (ahead.failure !== undefined) {
    file.doubt();
    throw ahead.failure;
  }
  await database.transaction((tx) => file.commit(tx, ahead));
}

/** The part of all open files that a test may put something of its own into. */
export interface FileCalls {
  write(this: FileHandle, bytes: Uint8Array, offset: number, length: number): Promise<{ readonly bytesWritten: number }>;
  datasync(this: FileHandle): Promise<void>;
}

/** What all open files call. */
export async function fileCalls(): Promise<FileCalls> {
  await using handle = await open(import.meta.filename);
  return Object.getPrototypeOf(handle) as FileCalls;
}
