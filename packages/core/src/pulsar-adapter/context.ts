import type { BrokerProducer } from '../broker/port.ts';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../logger/port.ts';

/** What producers, subscriptions and readers of one broker share. */
export interface SharedContext {
  readonly clock: Clock;
  readonly logger: Logger;
  /** The full name of a topic. */
  fullName(topic: string): string;
  /** A producer of a dead-letter topic that several share, and of its subscription, if it has one; closed with the broker. */
  deadLettersOf(topic: string, keptFor: string | false): Promise<BrokerProducer>;
  /** Something was closed by its user: the broker need not. */
  closed(one: { close(): Promise<void> }): void;
}
