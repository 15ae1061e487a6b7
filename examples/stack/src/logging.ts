import type { Topic } from '@paystream/core';
import type { LogEntry } from '@paystream/core/contracts';
import { createTopicDestination } from '@paystream/logger';
import { type Logger, multistream, pino, type StreamEntry } from 'pino';
import type { Engine } from './engine.ts';

/** A service's logger and how to end it. */
export interface ServiceLog {
  readonly logger: Logger;
  close(): Promise<void>;
}

/** A logger whose lines go to the service's log topic, and to the console from the level set on. */
export function openLog({ config, broker }: Engine, service: string, topic: Topic<LogEntry> | undefined): ServiceLog {
  const level = config.PAYSTREAM_LOG_LEVEL;
  const streams: StreamEntry[] = level === 'silent' ? [] : [{ level, stream: process.stderr }];
  // The log sink has no topic: what it wrote there it would have to store, and say so.
  const destination = topic && createTopicDestination({ broker, topic, service });
  if (destination !== undefined) streams.push({ level: 'info', stream: destination });
  const lowest = level === 'trace' || level === 'debug' ? level : 'info';
  return { logger: pino({ level: lowest, base: { service } }, multistream(streams)), close: async () => destination?.close() };
}
