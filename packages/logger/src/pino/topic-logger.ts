import { type Logger, noTelemetry, PaystreamError, type Running, type Telemetry } from '@paystream/core';
import type { Logger as PinoLogger, pino } from 'pino';
import { createTopicDestination, type TopicDestinationOptions } from '../destination/topic-destination.ts';
import { traceMixin } from '../trace-mixin.ts';

/** Options of {@link createTopicLogger}. */
export interface TopicLoggerOptions extends Omit<TopicDestinationOptions, 'level'> {
  /** The least grave level that is written. Default: `info`. */
  readonly level?: NonNullable<TopicDestinationOptions['level']>;
  /** Gets what {@link TopicDestinationOptions} says, and knows the current span: each line that names no trace gets its. Default: keeps nothing, and lines have the trace that they name. */
  readonly telemetry?: Telemetry;
}

/** A logger whose lines go to a topic. */
export interface TopicLogger extends Logger, Running, AsyncDisposable {
  /** The pino logger behind it, for child loggers and for libraries that take one. */
  readonly pino: PinoLogger;
  /** How many lines were dropped. */
  readonly dropped: number;
  /** Resolves when what was written so far is sent or dropped; never rejects. */
  flush(): Promise<void>;
}

async function loadPino(): Promise<typeof pino> {
  try {
    return (await import('pino')).pino;
  } catch (cause) {
    throw new PaystreamError('FAILED_PRECONDITION', 'createTopicLogger needs the package "pino": npm install pino', {
      reason: 'PACKAGE_MISSING',
      details: { package: 'pino' },
      cause,
    });
  }
}

/**
 * A pino logger that publishes to a topic. See {@link TopicDestinationOptions} for what becomes of its lines. Throws
 * `FAILED_PRECONDITION` / `PACKAGE_MISSING` if pino is not installed.
 *
 * @example
 * const log = await createTopicLogger({ broker, topic: 'order-logs-topic', service: 'checkout' });
 * log.info({ orderId: 'o-1' }, 'order placed');
 * await log.close();
 */
export async function createTopicLogger(options: TopicLoggerOptions): Promise<TopicLogger> {
  const makeLogger = await loadPino();
  const { level = 'info', telemetry = noTelemetry, ...rest } = options;
  const destination = createTopicDestination({ ...rest, telemetry });
  // The time is the entry's own clock's, so that a line written in simulated time carries simulated time.
  const clock = options.clock;
  const timestamp = clock === undefined ? true : (): string => `,"time":${clock.now()}`;
  const logger = makeLogger({ level, base: null, timestamp, mixin: traceMixin(telemetry) }, destination);
  return {
    pino: logger,
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    get dropped() {
      return destination.dropped;
    },
    flush: () => destination.flush(),
    check: () => options.broker.ping(),
    close: (timeoutMs) => destination.close(timeoutMs),
    [Symbol.asyncDispose]: () => destination.close(),
  };
}
