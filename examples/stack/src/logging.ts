import { noTelemetry, PaystreamError, type Telemetry, type Topic } from '@paystream/core';
import type { LogEntry } from '@paystream/core/contracts';
import { createTopicDestination, traceMixin } from '@paystream/logger';
import { type Logger, multistream, pino, type StreamEntry, stdSerializers } from 'pino';
import type { Config } from './config/config.ts';
import type { Engine } from './engine/engine.ts';

/** A service's logger and how to end it. */
export interface ServiceLog {
  readonly logger: Logger;
  /** Sends what it can within so many milliseconds, a second at most: the rest is lost, and what stops after it keeps its time. */
  close(timeoutMs: number): Promise<void>;
}

const longestCloseMs = 1_000;

type ConsoleSettings = Pick<Config, 'PAYSTREAM_LOG_LEVEL'>;

function consoleStreams({ PAYSTREAM_LOG_LEVEL: level }: ConsoleSettings): StreamEntry[] {
  return level === 'silent' ? [] : [{ level, stream: process.stderr }];
}

// Where it was noticed that something is away says nothing of it, and would fill logs just when a disk is full.
function errorFields(error: unknown): unknown {
  if (!PaystreamError.is(error) || error.code !== 'UNAVAILABLE') return stdSerializers.err(error as Error);
  const { code, reason, message, details } = error;
  return { code, reason, message, details };
}

function loggerOf({ PAYSTREAM_LOG_LEVEL: level }: ConsoleSettings, service: string, streams: StreamEntry[], telemetry: Telemetry): Logger {
  const lowest = level === 'trace' || level === 'debug' ? level : 'info';
  const options = { level: lowest, base: { service }, serializers: { err: errorFields }, mixin: traceMixin(telemetry) };
  return pino(options, multistream(streams));
}

/** A logger for what must not, or cannot, write to a topic: to the console only. */
export function consoleLog(config: ConsoleSettings, service: string, telemetry: Telemetry = noTelemetry): Logger {
  return loggerOf(config, service, consoleStreams(config), telemetry);
}

/** A logger whose lines go to the service's log topic, and to the console from the level set on. */
export function openLog(
  { config, broker, metrics: { telemetry } }: Engine,
  service: string,
  topic: Topic<LogEntry> | undefined,
): ServiceLog {
  const streams = consoleStreams(config);
  // The log sink has no topic: what it wrote there it would have to store, and say so.
  const destination = topic && createTopicDestination({ broker, topic, service, telemetry });
  if (destination !== undefined) streams.push({ level: 'info', stream: destination });
  return {
    logger: loggerOf(config, service, streams, telemetry),
    close: async (timeoutMs) => destination?.close(Math.min(timeoutMs, longestCloseMs)),
  };
}
