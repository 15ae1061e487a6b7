import type { Broker } from '@paystream/core';
import { createTopicDestination } from '@paystream/logger';
import { type DestinationStream, type Logger, multistream, pino } from 'pino';

/** A pino logger that writes to a stream of yours, and to a topic. */
export interface TeeLogger {
  readonly log: Logger;
  /** Brings what it has to the topic and stops that; your stream stays open, and goes on getting lines. */
  close(): Promise<void>;
}

/** Sends what your logger writes to a topic too, where a log sink finds it. */
export function logToTopic(broker: Broker, stream: DestinationStream): TeeLogger {
  const destination = createTopicDestination({ broker, topic: 'order-logs-topic', service: 'checkout' });
  const log = pino({ base: null }, multistream([{ stream }, { stream: destination }]));
  return { log, close: () => destination.close() };
}
