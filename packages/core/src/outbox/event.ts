import type { Topic } from '../topic/topic.ts';
import type { OutboxEvent, OutboxEventOptions } from './port.ts';

/** An event for {@link Outbox.add}; checks that the value fits the topic. */
export function outboxEvent<T, I>(topic: Topic<T, I>, value: I, options: OutboxEventOptions = {}): OutboxEvent {
  return { ...options, topic: topic as unknown as Topic<never, never>, value };
}
