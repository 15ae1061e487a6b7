import type { MessageId } from '../../broker/port.ts';
import type { StoredMessage } from './entry.ts';
import type { LogReader } from './reader.ts';
import type { Subscription } from './subscription.ts';
import type { TopicLog } from './topic-log.ts';

/** A send that waits for its commit. */
export interface PendingSend {
  /** The last message of the send: when it has its place, so have the others. */
  readonly message: StoredMessage;
  resolve(id: MessageId): void;
  reject(error: unknown): void;
}

/** A topic and all that hangs on it. */
export interface TopicState {
  readonly log: TopicLog;
  readonly subscriptions: Map<string, Subscription>;
  readonly readers: Set<LogReader>;
  /** Whether the store knows the topic. */
  stored: boolean;
  pending: StoredMessage[];
  sends: PendingSend[];
}
