import type { Clock } from '../../clock/port.ts';
import type { Logger } from '../../logger/port.ts';
import type { Telemetry } from '../../telemetry/port.ts';

/** How long messages are kept. A message is let go as soon as one of the limits is passed. */
export interface Retention {
  /** At most so old, in milliseconds since it was published. Default: any age. */
  readonly maxAgeMs?: number;
  /** At most so many messages of the topic. Default: any number. */
  readonly maxMessages?: number;
}

/** What of a topic is kept, beyond what its subscriptions have not acknowledged yet: that is always kept. */
export interface TopicRetention {
  /** Messages that every subscription has acknowledged, for replay. Default: none are kept. */
  readonly acknowledged?: Retention;
  /**
   * Messages of a topic without any subscription, for services that start later and subscribe from `earliest`; readers that
   * lag are waited for within the same bounds. Default: 7 days, 100,000 messages.
   */
  readonly unconsumed?: Retention;
}

/** Options of {@link createEmbeddedBroker}. */
export interface EmbeddedBrokerOptions {
  /** The SQLite file, made if it is not there; its folder must exist. Default: memory, and everything is gone at close. */
  readonly path?: string | undefined;
  /**
   * `full`: what was acknowledged survives a power failure. `normal`: it survives the end of the process, however sudden; a
   * power failure may undo the last moments. Default: `full`.
   */
  readonly synchronous?: 'full' | 'normal' | undefined;
  /** What is kept of topics that `topicRetention` does not name. */
  readonly retention?: TopicRetention | undefined;
  /** What is kept, by name of the topic. */
  readonly topicRetention?: Readonly<Record<string, TopicRetention>> | undefined;
  /** The largest message, in bytes of its payload. A larger one is refused with `INVALID_ARGUMENT`. Default: 5 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** How much of the newest messages of a file is kept in memory, in bytes. Older ones are read from the file. Default: 64 MiB. */
  readonly cacheBytes?: number | undefined;
  /** Default: the system’s. */
  readonly clock?: Clock | undefined;
  /** Default: silent. */
  readonly logger?: Logger | undefined;
  /** Default: none. */
  readonly telemetry?: Telemetry | undefined;
}

export const defaults: { readonly maxMessageBytes: number; readonly cacheBytes: number; readonly unconsumed: Retention } = {
  maxMessageBytes: 5 * 1024 * 1024,
  cacheBytes: 64 * 1024 * 1024,
  unconsumed: { maxAgeMs: 7 * 24 * 3_600_000, maxMessages: 100_000 },
};
